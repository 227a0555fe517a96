/** The resolved options of one CacheAdminModule. */
export const ADMIN_OPTIONS = Symbol('strata.admin.options');

/**
 * The house rules (docs/architecture.md): apps -> src -> libs, one direction, through the doors.
 * test/integration/house-rules.spec.ts plants a violation and sees it caught.
 */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'engine-is-framework-free',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: 'node_modules/(@nestjs|typeorm|pg|rxjs|express|class-validator|class-transformer)/' },
    },
    {
      name: 'libs-import-nothing-above',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^(src|apps|test)/' },
    },
    {
      name: 'src-imports-no-apps',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(apps|test)/' },
    },
    {
      name: 'engine-through-its-door',
      severity: 'error',
      from: { path: '^(src|apps)/' },
      to: { path: '^libs/', pathNot: '^libs/tiered-cache/src/index\\.ts$' },
    },
    {
      name: 'apps-through-the-public-doors',
      severity: 'error',
      from: { path: '^apps/' },
      to: { path: '^src/', pathNot: '^src/((admin|health|typeorm|warming)/)?index\\.ts$' },
    },
    {
      name: 'features-apart',
      severity: 'error',
      from: { path: '^src/(typeorm|warming|admin|health)/' },
      to: { path: '^src/(typeorm|warming|admin|health)/', pathNot: '^src/$1/' },
    },
    {
      name: 'core-knows-ports-only',
      severity: 'error',
      from: { path: '^libs/tiered-cache/src/(tiered-cache|cache-namespace)\\.ts$' },
      to: { path: '^libs/tiered-cache/src/remote/(redis|in-process)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '\\.spec\\.ts$|^dist' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@strata/source', 'import', 'require', 'node', 'default', 'types'],
    },
  },
};

/**
 * Where a row's data came from: the public data sets of the `vega-datasets` package, the seed's own generator,
 * or a client of this API.
 */
export type Origin = 'vega-datasets' | 'generated' | 'api';

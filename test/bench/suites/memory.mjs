/** Heap per small entry, each in a process of its own. */
const CONTENDERS = ['Map', 'lru-cache, ttl', 'lru-cache, ttl and maxSize', 'strata'];

export async function memory(bench) {
  const { quick } = bench.options;
  for (const entries of quick ? [1e5] : [1e5, 1e6])
    for (const contender of CONTENDERS) {
      const figures = [];
      for (let i = 0; i < (quick ? 1 : 3); i++)
        figures.push(
          await bench.program(
            'memory',
            { contender, entries },
            { execArgv: ['--expose-gc', '--max-old-space-size=4096'] },
          ),
        );
      bench.row('memory', `heap per entry, ${entries} entries`, contender, figures, 'bytes');
      bench.log(`  ${contender}, ${entries}: ${Math.round(figures[0])} bytes`);
    }
}

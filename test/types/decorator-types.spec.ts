import { join } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');

describe('types of the decorators', () => {
  it('fit the method, and a mismatch does not compile', () => {
    const fixture = join(import.meta.dirname, 'fixtures/decorators.ts');
    const messages = diagnose(fixture);
    expect(messages).toEqual([]);
  }, 60_000);
});

/** What the compiler says of one file (and what it imports), with the options of the repository. */
function diagnose(file: string): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram([file], options);
  const source = program.getSourceFile(file);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    (one) => {
      const line = one.file?.getLineAndCharacterOfPosition(one.start ?? 0).line ?? 0;
      return `${line + 1}: ${ts.flattenDiagnosticMessageText(one.messageText, '\n')}`;
    },
  );
}

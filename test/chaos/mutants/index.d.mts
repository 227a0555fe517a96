export interface Mutant {
  name: string;
  guard: string;
  patches: readonly { file: string; find: string; replace: string }[];
}

export const MUTANTS: readonly Mutant[];

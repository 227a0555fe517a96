/** `npm run sql -- "UPDATE ..."`. See runner/sql.mjs. */
import { runSql } from './runner/sql.mjs';

process.exitCode = await runSql();

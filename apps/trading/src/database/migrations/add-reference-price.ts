import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** The price that limits are reckoned from; of existing instruments the latest one. */
export class AddReferencePrice1764547200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE instruments
        ADD reference_price numeric CHECK (reference_price > 0 AND reference_price < 1e12);
      UPDATE instruments SET reference_price = (
        SELECT price FROM price_ticks
        WHERE instrument_id = instruments.id AND price < 1e12 ORDER BY at DESC, id DESC LIMIT 1
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE instruments DROP reference_price');
  }
}

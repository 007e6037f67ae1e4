/** Every row of the table of HA routers in its short form: what must hold, held. How long it took is told by `npm run lab -- l3-ha`. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { leftovers } from '../../src/lab/lifecycle.ts';
import { missingForLab } from '../../src/lab/requirements.ts';
import { closeHaGrounds, type HaGrounds, openHaGrounds } from './ha/grounds.ts';
import { HA_KINDS, ROWS } from './ha/list.ts';
import { stageName } from './playbill.ts';

const missing = await missingForLab();
const skip = missing.length > 0 ? `SKIPPED: ${missing.join('; ')}` : false;
const TIMEOUT_MS = 300_000;

for (const kind of HA_KINDS) {
  const rows = ROWS.filter((row) => row.kind === kind && row.untested === undefined);
  if (rows.length === 0) continue;
  const id = `a${kind.slice(0, 3)}${process.pid.toString(36)}`;
  describe(`HA router, ${kind}`, { skip }, () => {
    let grounds: HaGrounds | undefined;
    const close = async () => {
      const open = grounds;
      grounds = undefined;
      if (open) await closeHaGrounds(open);
    };
    after(async () => {
      await close();
      assert.deepEqual(await leftovers(stageName(id)), []);
    });
    for (const row of rows) {
      test(`${row.name}: ${row.summary}`, { timeout: TIMEOUT_MS }, async (t) => {
        grounds ??= await openHaGrounds(id, kind);
        try {
          const note = (text: string) => t.diagnostic(text);
          const sample = await row.measure({ grounds, form: 'short', note });
          note(JSON.stringify(sample));
          assert.deepEqual(sample.complaints, []);
        } catch (error) {
          // The next row must not suffer from what this one left.
          await close();
          throw error;
        }
      });
    }
  });
}

/** Every fault in its short form: afterwards the world is as wanted. How long it took is told by `npm run lab -- faults`. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { leftovers } from '../../src/lab/lifecycle.ts';
import { missingForLab } from '../../src/lab/requirements.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { closeGrounds, type Grounds, openGrounds } from './faults/grounds.ts';
import { FAULTS, LAB_KINDS } from './faults/list.ts';
import { tryFault } from './faults/trial.ts';
import { stageName } from './playbill.ts';
import { FORGETFUL } from './stage.ts';

const missing = await missingForLab();
const skip = missing.length > 0 ? `SKIPPED: ${missing.join('; ')}` : false;
const TIMEOUT_MS = 400_000;

for (const kind of LAB_KINDS) {
  const id = `f${kind}${process.pid.toString(36)}`;
  describe(`faults in a lab for ${kind}`, { skip }, () => {
    let grounds: Grounds | undefined;
    const close = async () => {
      const open = grounds;
      grounds = undefined;
      if (open) await closeGrounds(open);
    };
    after(async () => {
      await close();
      assert.deepEqual(await leftovers(stageName(id)), []);
    });
    for (const fault of FAULTS.filter((one) => one.lab === kind)) {
      test(`${fault.name}: ${fault.summary}`, { timeout: TIMEOUT_MS }, async (t) => {
        grounds ??= await openGrounds(id, kind, FORGETFUL);
        const measured = await tryFault(fault, grounds, {
          form: 'short',
          random: seededRandom(1),
          note: (text) => t.diagnostic(text),
        });
        // The next fault must not suffer from what this one left.
        if (measured.error !== undefined) await close();
        assert.equal(measured.error, undefined);
      });
    }
  });
}

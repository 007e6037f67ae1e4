/** Every story in its short form; those that need the same servers share a lab. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { leftovers } from '../../src/lab/lifecycle.ts';
import { missingForLab } from '../../src/lab/requirements.ts';
import { STORIES, setStage, stageName, strikeStage, tellStory } from './playbill.ts';
import type { Stage } from './stage.ts';

const missing = await missingForLab();
const skip = missing.length > 0 ? `SKIPPED: ${missing.join('; ')}` : false;
const STORY_TIMEOUT_MS = 400_000;

for (const servers of [...new Set(STORIES.map((story) => story.servers))]) {
  const stories = STORIES.filter((story) => story.servers === servers);
  const hosts = Math.max(...stories.map((story) => story.hosts));
  const id = `s${servers}x${process.pid.toString(36)}`;

  describe(`lab with ${hosts} hosts and ${servers} server(s)`, { skip }, () => {
    let stage: Stage;
    before(async () => {
      stage = await setStage(id, { hosts, servers });
    });
    after(async () => {
      await strikeStage(id);
      assert.deepEqual(await leftovers(stageName(id)), []);
    });
    for (const story of stories) {
      test(`${story.name}: ${story.summary}`, { timeout: STORY_TIMEOUT_MS }, async (t) => {
        try {
          await tellStory(story, stage, { form: 'short', seed: 1, out: (line) => t.diagnostic(line) });
        } finally {
          await stage.tidy();
        }
      });
    }
  });
}

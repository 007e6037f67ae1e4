/** The real `fence_ipmilan` as the server runs it, against OpenIPMI's simulated BMC on the loopback. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { fenceDevicesOf } from '../../src/main/fence-agents.ts';
import { missingForFencing, PowerDevice } from './power-device.ts';

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

const missing = missingForFencing();
const skip = missing === null ? false : `SKIPPED: ${missing} is not here`;

test('fence_ipmilan switches a host off by its BMC, and says so', { skip }, async (t) => {
  const device = new PowerDevice({ port: await freePort() });
  t.after(() => device.remove());
  await device.start();
  const devices = fenceDevicesOf(device.fileFor('h1'));
  const ask = async (action: 'status' | 'off') => {
    const { power, text } = await devices.act('h1', action);
    assert.equal(device.isIn(text), false, text);
    t.diagnostic(`${action}: ${power} (${text})`);
    return power;
  };
  assert.equal(await ask('status'), 'on');
  assert.deepEqual(device.done, [], 'asking does nothing');
  device.fileFor('h1', 'another word');
  assert.equal(await ask('status'), 'unknown');
  assert.equal(await ask('off'), 'unknown');
  assert.equal(device.power, true, 'who has not the password does nothing');
  device.fileFor('h1');
  assert.equal(await ask('off'), 'off');
  assert.deepEqual([device.power, device.done], [false, ['power 0']]);
  assert.equal(await ask('status'), 'off');
  device.power = true;
  assert.equal(await ask('status'), 'on');
});

/**
 * One call of the agents' door, run on an emulated host: standard input says what, standard output what came. A watch
 * never ends by itself: it is read until it is synced.
 */
import { request } from 'node:http';
import { text } from 'node:stream/consumers';

const { url, credential, body } = JSON.parse(await text(process.stdin));
const authorization = credential === null ? {} : { authorization: `Bearer ${credential}` };
const call = request(url, {
  method: 'POST',
  headers: { 'content-type': 'application/json', ...authorization },
});

call.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
call.on('response', (response) => {
  let received = '';
  const finish = () => {
    const lines = received.split('\n').slice(0, -1);
    const frames = response.statusCode === 200 ? lines.map((line) => JSON.parse(line)) : [];
    process.stdout.write(JSON.stringify({ status: response.statusCode, frames, text: received }));
    call.destroy();
  };
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    received += chunk;
    if (received.includes('"type":"synced"') && received.endsWith('\n')) finish();
  });
  response.on('end', finish);
});
call.end(JSON.stringify(body));

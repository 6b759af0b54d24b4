// Accepting a job with its assignment, durably: rate at full load, and waiting time at half the rate
// that is asked for. Real broker, real service, one hub that takes every job. Prints JSON lines.
//
//   node bench/service.mjs [BUILD_FOLDER]
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const build = path.resolve(process.argv[2] ?? process.env.DW_BUILD ?? path.join(root, 'build'));
process.argv.splice(2, process.argv.length, path.join(build, 'src/service/doorward-service'), path.join(build, 'tests/service/fake_hub'));
const rig = await import('../tests/service/rig.mjs');

const SECONDS = 4, CONNECTIONS = 64, RUNS = 3;
const median = (list) => [...list].sort((x, y) => x - y)[Math.floor(list.length / 2)];
const line = (name, value, unit, limit) => console.log(JSON.stringify({ name, value, unit, limit,
  ...(limit ? { ratio: Number((value / limit).toFixed(3)) } : {}) }));

const broker = await new rig.Broker().open();
const service = await (await new rig.Service('bench', { broker: `127.0.0.1:${broker.port}` }).open()).linked();
const s = await rig.makeStreet(service, broker, 'bench');
await s.agency.signer.stop(); // what is measured is ours; its agency signs elsewhere
s.hub.child.stdout.removeAllListeners('data').resume(); // what it hears is not looked at here

const body = JSON.stringify(rig.jobBody(s.home, s.visitor, ['@@@@@@@@@@@@']));
const request = path.join(rig.folder, 'request');
fs.writeFileSync(request, `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${s.agency.token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);

async function load(rate) {
  const { stdout } = await promisify(execFile)(path.join(build, 'bench/service_load'),
    [String(service.port), request, String(CONNECTIONS), String(SECONDS), String(rate)], { timeout: 60000 });
  return JSON.parse(stdout);
}

try {
  const full = [], half = [];
  for (let i = 0; i < RUNS; i++) {
    full.push(await load(0));
    half.push(await load(1000));
  }
  line('service.accept_per_s', Math.round(median(full.map((r) => r.rate))), '1/s', 2000);
  line('service.accept_p50_at_1000_per_s', median(half.map((r) => r.p50_ms)), 'ms', null);
  line('service.accept_p99_at_1000_per_s', median(half.map((r) => r.p99_ms)), 'ms', 50);
  const health = (await service.get('/v1/health')).body;
  line('service.jobs_per_commit', Math.round(((full.concat(half).reduce((n, r) => n + r.done, 0)) / health.commits) * 10) / 10, 'jobs', null);
  const status = fs.readFileSync(`/proc/${service.child.pid}/status`, 'utf8');
  line('service.rss', Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024), 'MB', null);
} finally {
  await rig.stopAll();
}
process.exit(0);

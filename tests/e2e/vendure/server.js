// node server.js: serves a seeded store and works off its job queue; prints READY once it answers.
process.env.VENDURE_DISABLE_TELEMETRY = 'true';
const { JobQueueService, bootstrap } = require('@vendure/core');
const { config } = require('./config');

async function serve() {
  const app = await bootstrap(config);
  await app.get(JobQueueService).start();
  console.log('READY', config.apiOptions.port);
}

serve().catch((error) => { console.error(error); process.exit(1); });

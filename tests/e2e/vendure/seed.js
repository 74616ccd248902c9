// node seed.js [products.csv]: creates the schema and fills it with Vendure's sample products, or with a file
// in Vendure's import format. The port has to be free: populating boots the server.
process.env.CREATE_SCHEMA = 'yes';
process.env.VENDURE_DISABLE_TELEMETRY = 'true';
const path = require('node:path');
const { bootstrap } = require('@vendure/core');
const { populate } = require('@vendure/core/cli');
const { config, samples } = require('./config');

async function seed() {
  const products = process.argv[2] ? path.resolve(process.argv[2]) : path.join(samples, 'products.csv');
  const app = await populate(() => bootstrap(config), require(path.join(samples, 'initial-data.json')), products);
  await app.close();
}

seed().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });

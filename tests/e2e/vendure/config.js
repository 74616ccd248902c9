// A real Vendure store for the end-to-end tests. Environment:
//   PORT            where it listens on 127.0.0.1
//   PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE   its database
//   STORE_DATA      a directory for uploaded images
//   CREATE_SCHEMA   set while seeding only: lets TypeORM create the tables
const fs = require('node:fs');
const path = require('node:path');
const {
  DefaultJobQueuePlugin, DefaultLogger, DefaultSchedulerPlugin, DefaultSearchPlugin, LogLevel, dummyPaymentHandler,
} = require('@vendure/core');
const { AssetServerPlugin } = require('@vendure/asset-server-plugin');

const port = Number(process.env.PORT || 3900);
const images = path.join(path.resolve(process.env.STORE_DATA || path.join(__dirname, 'data')), 'assets');
fs.mkdirSync(images, { recursive: true });

// The package that creates new Vendure projects carries sample products and their pictures.
exports.samples = path.join(path.dirname(require.resolve('@vendure/create/package.json')), 'assets');

exports.config = {
  apiOptions: { hostname: '127.0.0.1', port, adminApiPath: 'admin-api', shopApiPath: 'shop-api' },
  authOptions: {
    tokenMethod: ['bearer', 'api-key'],
    superadminCredentials: { identifier: 'superadmin', password: 'superadmin' },
  },
  dbConnectionOptions: {
    type: 'postgres',
    host: process.env.PGHOST || '127.0.0.1',
    port: Number(process.env.PGPORT || 5432),
    username: process.env.PGUSER || 'postgres',
    password: process.env.PGPASSWORD || '',
    database: process.env.PGDATABASE || 'vendure',
    synchronize: Boolean(process.env.CREATE_SCHEMA),
  },
  // Where shops keep the price before a reduction, since Vendure itself has no place for it.
  customFields: { ProductVariant: [{ name: 'compareAtPrice', type: 'int', nullable: true }] },
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
  importExportOptions: { importAssetsDir: path.join(exports.samples, 'images') },
  logger: new DefaultLogger({ level: LogLevel.Warn }),
  plugins: [
    AssetServerPlugin.init({ route: 'assets', assetUploadDir: images, assetUrlPrefix: `http://127.0.0.1:${port}/assets/` }),
    DefaultSchedulerPlugin.init(),
    DefaultJobQueuePlugin.init({ useDatabaseForBuffer: true }),
    DefaultSearchPlugin.init({ bufferUpdates: false, indexStockStatus: true }),
  ],
};

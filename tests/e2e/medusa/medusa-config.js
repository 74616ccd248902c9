// A real Medusa store for the end-to-end tests, without dashboard and Redis. Environment:
//   DATABASE_URL   its database
const { defineConfig } = require('@medusajs/framework/utils');

const anywhere = 'http://127.0.0.1';

module.exports = defineConfig({
  admin: { disable: true },
  projectConfig: {
    databaseUrl: process.env.DATABASE_URL,
    databaseDriverOptions: { connection: { ssl: false } },
    http: {
      storeCors: anywhere,
      adminCors: anywhere,
      authCors: anywhere,
      jwtSecret: 'a-secret-of-this-test-alone-32-chars',
      cookieSecret: 'a-secret-of-this-test-alone-32-chars',
    },
  },
});

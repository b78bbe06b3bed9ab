// The classic tutorial's greeter client, on grpc-js: `greeter_client.js PROTO [PORT]`.
'use strict';

const grpc = require('@grpc/grpc-js');
const { load } = require('./load');

const [proto, port = '50051'] = process.argv.slice(2);
const client = new (load(proto).greeter.Greeter)(`localhost:${port}`, grpc.credentials.createInsecure());
client.sayHello({ name: 'Alice' }, (error, reply) => {
  if (error) throw error;
  console.log(`Greeter client received: ${reply.message}`);
  client.close();
});

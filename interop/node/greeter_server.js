// The classic tutorial's greeter server, on grpc-js: `greeter_server.js PROTO [PORT]`.
'use strict';

const grpc = require('@grpc/grpc-js');
const { load } = require('./load');

function sayHello(call, callback) {
  callback(null, { message: `Hello, ${call.request.name}!` });
}

const [proto, port = '50051'] = process.argv.slice(2);
const server = new grpc.Server();
server.addService(load(proto).greeter.Greeter.service, { sayHello });
server.bindAsync(`0.0.0.0:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});

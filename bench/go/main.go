// The benchmark's services on grpc-go.
//
// Default: grpc.NewServer(). Tuned: stream workers and buffers as its performance notes and
// benchmark set them.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"io"
	"log"
	"math"
	"math/big"
	"net"
	"runtime"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"tramline.example/bench/gen/bench"
	"tramline.example/bench/gen/helloworld"
)

const windowLen = 4 << 20

type hello struct {
	helloworld.UnimplementedGreeterServer
}

func (hello) SayHello(_ context.Context, request *helloworld.HelloRequest) (*helloworld.HelloReply, error) {
	return &helloworld.HelloReply{Message: "Hello, " + request.GetName() + "!"}, nil
}

type service struct {
	bench.UnimplementedBenchmarkServiceServer
}

func (service) Echo(_ context.Context, request *bench.Payload) (*bench.Payload, error) {
	return &bench.Payload{Body: request.GetBody()}, nil
}

func (service) Stream(request *bench.StreamRequest, replies grpc.ServerStreamingServer[bench.Payload]) error {
	body := make([]byte, request.GetLen())
	for range request.GetCount() {
		if err := replies.Send(&bench.Payload{Body: body}); err != nil {
			return err
		}
	}
	return nil
}

func (service) PingPong(stream grpc.BidiStreamingServer[bench.Payload, bench.Payload]) error {
	for {
		ping, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&bench.Payload{Body: ping.GetBody()}); err != nil {
			return err
		}
	}
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func main() {
	addr := flag.String("addr", "127.0.0.1:50051", "where to listen")
	threads := flag.Int("threads", 1, "threads that run Go code")
	tuned := flag.Bool("tuned", false, "settings for speed")
	withTLS := flag.Bool("tls", false, "TLS with a certificate made at the start")
	flag.Parse()
	runtime.GOMAXPROCS(*threads)
	if *tuned {
		debug.SetGCPercent(400)
	}

	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(math.MaxInt32),
		grpc.MaxSendMsgSize(math.MaxInt32),
	}
	if *tuned {
		options = append(options,
			grpc.NumStreamWorkers(uint32(*threads)),
			grpc.InitialWindowSize(windowLen),
			grpc.InitialConnWindowSize(windowLen),
			grpc.SharedWriteBuffer(true),
			grpc.ReadBufferSize(128<<10),
			grpc.WriteBufferSize(128<<10),
		)
	}
	if *withTLS {
		certificate, err := selfSigned()
		if err != nil {
			log.Fatal(err)
		}
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(options...)
	helloworld.RegisterGreeterServer(server, hello{})
	bench.RegisterBenchmarkServiceServer(server, service{})
	log.Fatal(server.Serve(listener))
}

// grpc-go's client under load: its CPU time per unary call.
//
// Default: one connection for each grpc.NewClient. Tuned: larger buffers, shared write
// buffers, and GC at 400 %.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"tramline.example/bench/gen/helloworld"
)

const bufferLen = 128 << 10

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func call(greeter helloworld.GreeterClient, calls int) {
	for range calls {
		reply, err := greeter.SayHello(context.Background(), &helloworld.HelloRequest{Name: "world"})
		if err != nil {
			log.Fatal(err)
		}
		if reply.GetMessage() != "Hello, world!" {
			log.Fatalf("wrong reply: %q", reply.GetMessage())
		}
	}
}

func run(greeters []helloworld.GreeterClient, flights int, calls int) {
	var tasks sync.WaitGroup
	for index := range flights {
		share := calls / flights
		if index < calls%flights {
			share++
		}
		tasks.Go(func() { call(greeters[index%len(greeters)], share) })
	}
	tasks.Wait()
}

func main() {
	addr := flag.String("addr", "127.0.0.1:50051", "the server")
	connections := flag.Int("connections", 1, "connections")
	streams := flag.Int("streams", 1, "calls at a time on each connection")
	calls := flag.Int("calls", 10000, "calls that are measured")
	tuned := flag.Bool("tuned", false, "settings for speed")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if *tuned {
		debug.SetGCPercent(400)
		options = append(options,
			grpc.WithReadBufferSize(bufferLen),
			grpc.WithWriteBufferSize(bufferLen),
			grpc.WithSharedWriteBuffer(true),
		)
	}
	var greeters []helloworld.GreeterClient
	for range *connections {
		connection, err := grpc.NewClient("passthrough:///"+*addr, options...)
		if err != nil {
			log.Fatal(err)
		}
		greeters = append(greeters, helloworld.NewGreeterClient(connection))
	}
	flights := *connections * *streams
	run(greeters, flights, *calls/10)
	begin := cpuTime()
	run(greeters, flights, *calls)
	spent := cpuTime() - begin
	fmt.Printf("%.3f\n", float64(spent.Nanoseconds())/1e3/float64(*calls))
}

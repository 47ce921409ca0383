// Command peer does in Go, with its standard library, what the hot functions do: a yardstick for bench/.
//
//	peer                                the custom runtime of Lambda; _HANDLER names the handler
//	peer measure HANDLER FILE SECONDS   the handler over one payload, again and again; prints JSON
//
// Handlers: hello, burst, kinesis, sqs. See ../README.md for what they do alike and what not.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// A handler takes an invocation's payload and gives its answer.
type handler func(payload []byte) ([]byte, error)

var handlers = map[string]handler{
	"hello":   func([]byte) ([]byte, error) { return []byte(`"hello"`), nil },
	"burst":   burst,
	"kinesis": kinesis,
	"sqs":     sqs,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		name := os.Getenv("_HANDLER")
		handle, known := handlers[name]
		if !known {
			return fmt.Errorf("_HANDLER is %q; expected hello, burst, kinesis or sqs", name)
		}
		return serve(handle)
	}
	if len(args) != 4 || args[0] != "measure" {
		return fmt.Errorf("usage: peer measure HANDLER FILE SECONDS")
	}
	handle, known := handlers[args[1]]
	if !known {
		return fmt.Errorf("no handler %q", args[1])
	}
	payload, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseFloat(args[3], 64)
	if err != nil {
		return err
	}
	return measure(handle, payload, time.Duration(seconds*float64(time.Second)))
}

// measure runs the handler for that long after a tenth of it to warm up, on one core besides the collector's.
func measure(handle handler, payload []byte, length time.Duration) error {
	var answer []byte
	var err error
	for begun := time.Now(); time.Since(begun) < length/10; {
		if answer, err = handle(payload); err != nil {
			return err
		}
	}
	var times []time.Duration
	for begun := time.Now(); time.Since(begun) < length || len(times) < 5; {
		one := time.Now()
		if _, err = handle(payload); err != nil {
			return err
		}
		times = append(times, time.Since(one))
	}
	slices.Sort(times)
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"language":   runtime.Version(),
		"iterations": len(times),
		"median_ns":  times[len(times)/2].Nanoseconds(),
		"p95_ns":     times[len(times)*95/100].Nanoseconds(),
		"answer":     json.RawMessage(answer),
	})
}

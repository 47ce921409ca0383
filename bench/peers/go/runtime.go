package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
)

// serve is Lambda's custom runtime: take an invocation, answer it, for ever.
// (AWS: "Using the Lambda runtime API for custom runtimes", AWS Lambda Developer Guide)
func serve(handle handler) error {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(base + "next")
		if err != nil {
			return err
		}
		payload, err := io.ReadAll(next.Body)
		next.Body.Close()
		if err != nil {
			return err
		}
		id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
		answer, failed := handle(payload)
		path := "/response"
		if failed != nil {
			path = "/error"
			answer = fmt.Appendf(nil, `{"errorType":"Failed","errorMessage":%q}`, failed)
		}
		sent, err := http.Post(base+id+path, "application/json", bytes.NewReader(answer))
		if err != nil {
			return err
		}
		io.Copy(io.Discard, sent.Body)
		sent.Body.Close()
	}
}

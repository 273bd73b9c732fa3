// Command talos-machinery answers questions about Talos with the code of Talos itself: secrets, machine
// configurations, client configurations and image schematics.
//
// It is a server on standard input and output: one JSON object a line in, one a line out, in the same order, until
// standard input ends. See README.md for the operations.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// request is one line of standard input.
type request struct {
	Operation string          `json:"operation"`
	Arguments json.RawMessage `json:"arguments"`
}

// response is one line of standard output; exactly one of the fields is set.
type response struct {
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

type operation func(arguments json.RawMessage) (any, error)

var operations = map[string]operation{
	"secrets":              answer(newSecrets),
	"client-configuration": answer(clientConfiguration),
	"configuration":        answer(generateConfiguration),
	"patch":                answer(patchConfiguration),
	"inspect":              answer(inspectConfiguration),
	"volumes":              answer(placeVolumes),
	"kubeconfig":           answer(newKubeconfig),
	"schematic":            answer(inspectSchematic),
	"library":              answer(libraryVersion),
}

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "talos-machinery:", err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	reader := bufio.NewReader(in)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)

	for {
		line, err := reader.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			if err := encoder.Encode(respond(line)); err != nil {
				return err
			}
		}

		if errors.Is(err, io.EOF) {
			return nil
		}

		if err != nil {
			return err
		}
	}
}

// respond turns a panic of the library into an error of this one request, so that the server goes on.
func respond(line []byte) (reply response) {
	defer func() {
		if cause := recover(); cause != nil {
			reply = response{Error: fmt.Sprintf("the Talos machinery library panicked: %v", cause)}
		}
	}()

	var asked request
	if err := decode(line, &asked); err != nil {
		return response{Error: fmt.Sprintf("not a request: %v", err)}
	}

	run, known := operations[asked.Operation]
	if !known {
		return response{Error: fmt.Sprintf("unknown operation %q", asked.Operation)}
	}

	result, err := run(asked.Arguments)
	if err != nil {
		return response{Error: err.Error()}
	}

	return response{Result: result}
}

// answer makes an operation of a function with typed arguments.
func answer[Arguments, Result any](run func(Arguments) (Result, error)) operation {
	return func(raw json.RawMessage) (any, error) {
		var arguments Arguments
		if err := decode(raw, &arguments); err != nil {
			return nil, fmt.Errorf("bad arguments: %w", err)
		}

		return run(arguments)
	}
}

// decode refuses keys that the target does not have.
func decode(raw []byte, target any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()

	return decoder.Decode(target)
}

// Command custom-resources writes the custom resource definitions of one API module, generated from its Go types by
// the library behind controller-gen. See README.md.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

var errNoKinds = errors.New("usage: custom-resources KIND…, in the folder of the bundle")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "custom-resources:", err)
		os.Exit(1)
	}
}

// run writes the definitions of the kinds of the module in the working directory, whose folder is named as its bundle.
func run(kinds []string) error {
	if len(kinds) == 0 {
		return errNoKinds
	}

	directory, err := os.Getwd()
	if err != nil {
		return err
	}

	bundle := filepath.Base(directory)

	definitions, err := generate(kinds, corrections[bundle])
	if err != nil {
		return fmt.Errorf("%s: %w", bundle, err)
	}

	file, err := os.Create(bundle + ".json")
	if err != nil {
		return err
	}

	encoder := json.NewEncoder(file)
	encoder.SetEscapeHTML(false)

	return errors.Join(encoder.Encode(definitions), file.Close())
}

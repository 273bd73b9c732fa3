package main

import (
	"errors"
	"strings"

	"github.com/siderolabs/image-factory/pkg/schematic"
)

type schematicArguments struct {
	Schematic string `json:"schematic"`
}

type schematicResult struct {
	ID              string   `json:"id"`
	Extensions      []string `json:"extensions"`
	KernelArguments []string `json:"kernelArguments"`
}

// inspectSchematic computes the id that the image factory gives a schematic; an empty text is the plain image.
func inspectSchematic(arguments schematicArguments) (schematicResult, error) {
	var result schematicResult

	wanted := &schematic.Schematic{}

	if strings.TrimSpace(arguments.Schematic) != "" {
		read, err := schematic.Unmarshal([]byte(arguments.Schematic))
		if err != nil {
			return result, err
		}

		wanted = read
	}

	if len(wanted.Customization.Meta) > 0 || wanted.Overlay.Name != "" {
		return result, errors.New("meta values and overlays are not emulated")
	}

	id, err := wanted.ID()
	result.ID = id
	result.Extensions = append([]string{}, wanted.Customization.SystemExtensions.OfficialExtensions...)
	result.KernelArguments = append([]string{}, wanted.Customization.ExtraKernelArgs...)

	return result, err
}

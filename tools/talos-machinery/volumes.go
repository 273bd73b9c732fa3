package main

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/siderolabs/talos/pkg/machinery/api/resource/definitions/block"
	"github.com/siderolabs/talos/pkg/machinery/cel"
	"github.com/siderolabs/talos/pkg/machinery/cel/celenv"
	"github.com/siderolabs/talos/pkg/machinery/config/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configloader"
	"github.com/siderolabs/talos/pkg/machinery/constants"
)

type volumesArguments struct {
	MachineConfiguration string `json:"machineConfiguration"`
	Disks                []disk `json:"disks"`
	SystemDisk           string `json:"systemDisk"`
}

type disk struct {
	Path      string `json:"path"`
	Size      uint64 `json:"size"`
	Transport string `json:"transport"`
}

type volumesResult struct {
	Volumes []placedVolume `json:"volumes"`
}

type placedVolume struct {
	Name    string `json:"name"`
	Disk    string `json:"disk,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// placeVolumes finds the disk of every volume whose disk selector or size is configured, among the disks of a machine.
// The first disk that matches and is large enough is taken; what other volumes take of it is not counted.
func placeVolumes(arguments volumesArguments) (volumesResult, error) {
	result := volumesResult{Volumes: []placedVolume{}}

	provider, err := configloader.NewFromBytes([]byte(arguments.MachineConfiguration))
	if err != nil {
		return result, err
	}

	place := func(name string, wanted config.VolumeProvisioningConfig) error {
		placed, err := placeVolume(name, wanted, arguments.Disks, arguments.SystemDisk)
		result.Volumes = append(result.Volumes, placed)

		return err
	}

	// Of the system volumes only these two take provisioning settings.
	for _, name := range []string{constants.EphemeralPartitionLabel, constants.StatePartitionLabel} {
		if volume, configured := provider.Volumes().ByName(name); configured {
			if err := place(name, volume.Provisioning()); err != nil {
				return result, err
			}
		}
	}

	for _, volume := range provider.UserVolumeConfigs() {
		if err := place(volume.Name(), volume.Provisioning()); err != nil {
			return result, err
		}
	}

	return result, nil
}

func placeVolume(name string, wanted config.VolumeProvisioningConfig, disks []disk, system string) (placedVolume, error) {
	placed := placedVolume{Name: name}
	selector := wanted.DiskSelector().ValueOr(cel.Expression{})
	minimum := wanted.MinSize().ValueOr(0)
	matched := false

	for _, candidate := range disks {
		fits, err := matches(selector, candidate, system)
		if err != nil {
			return placed, fmt.Errorf("volume %s: disk selector %q: %w", name, selector, err)
		}

		matched = matched || fits

		if fits && candidate.Size >= minimum {
			placed.Disk = candidate.Path

			return placed, nil
		}
	}

	if matched {
		placed.Problem = fmt.Sprintf("no disk that matches %q has the %s it needs", selector, humanize.Bytes(minimum))
	} else {
		placed.Problem = fmt.Sprintf("no disk matches %q", selector)
	}

	return placed, nil
}

func matches(selector cel.Expression, candidate disk, system string) (bool, error) {
	if selector.IsZero() {
		return candidate.Path == system, nil
	}

	return selector.EvalBool(celenv.DiskLocator(), map[string]any{
		"disk": &block.DiskSpec{
			DevPath:    candidate.Path,
			Size:       candidate.Size,
			PrettySize: humanize.Bytes(candidate.Size),
			Transport:  candidate.Transport,
		},
		"system_disk": candidate.Path == system,
	})
}

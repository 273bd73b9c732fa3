package main

import (
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-tools/pkg/crd"
)

// correction is what upstream adds to its definitions outside the Go types.
type correction struct {
	// embeddedMetadata lets metadata inside a resource (of a pod template, a volume claim) have its fields.
	embeddedMetadata bool
	// types are the schemas of types that write their JSON themselves, by package path and name.
	types map[string]map[string]apiextensions.JSONSchemaProps
	// definition changes a finished definition.
	definition func(*apiextensions.CustomResourceDefinition)
}

// corrections are the bundles that need one.
var corrections = map[string]correction{
	"argo-events": {
		embeddedMetadata: true,
		types: map[string]map[string]apiextensions.JSONSchemaProps{
			"github.com/argoproj/argo-events/pkg/apis/events/v1alpha1": {
				"Amount":        {Type: "number"},
				"Int64OrString": integerOrString,
				"K8SResource":   anyObject,
			},
		},
		definition: correctEvents,
	},
	"argo-workflows": {
		embeddedMetadata: true,
		types: map[string]map[string]apiextensions.JSONSchemaProps{
			"github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1": {
				"ParallelSteps": listOf("WorkflowStep"),
			},
		},
		definition: correctWorkflows,
	},
	"cert-manager":         {definition: describeCertificates},
	"external-snapshotter": {definition: approve},
}

var (
	anyObject       = apiextensions.JSONSchemaProps{Type: "object", XPreserveUnknownFields: pointer(true)}
	integerOrString = apiextensions.JSONSchemaProps{
		XIntOrString: true,
		AnyOf:        []apiextensions.JSONSchemaProps{{Type: "integer"}, {Type: "string"}},
	}
)

func pointer[Value any](value Value) *Value { return &value }

func listOf(name string) apiextensions.JSONSchemaProps {
	reference := crd.TypeRefLink("", name)

	return apiextensions.JSONSchemaProps{
		Type:  "array",
		Items: &apiextensions.JSONSchemaPropsOrArray{Schema: &apiextensions.JSONSchemaProps{Ref: &reference}},
	}
}

// correctEvents: the plural of EventBus is eventbus, and a trigger holds another one in dlqTrigger, which is not checked.
func correctEvents(definition *apiextensions.CustomResourceDefinition) {
	if definition.Spec.Names.Kind == "EventBus" {
		definition.Spec.Names.Plural = "eventbus"
		definition.Name = "eventbus." + definition.Spec.Group
	}

	edit(definition, func(read *apiextensions.JSONSchemaProps) {
		if _, there := read.Properties["dlqTrigger"]; there {
			read.Properties["dlqTrigger"] = anyObject
		}
	})
}

// correctWorkflows: the container of a template embeds the one of a pod, whose name is required there and not here.
// The schema of a template is large, and an apiserver needs hundreds of times its size: it is kept where people write
// templates, not for their defaults and not in the status.
func correctWorkflows(definition *apiextensions.CustomResourceDefinition) {
	for _, version := range definition.Spec.Versions {
		if _, there := version.Schema.OpenAPIV3Schema.Properties["status"]; there {
			version.Schema.OpenAPIV3Schema.Properties["status"] = anyObject
		}
	}

	edit(definition, func(read *apiextensions.JSONSchemaProps) {
		if _, there := read.Properties["templateDefaults"]; there {
			read.Properties["templateDefaults"] = anyObject
		}

		for _, name := range []string{"container", "script"} {
			if container, there := read.Properties[name]; there {
				container.Required = slices.DeleteFunc(container.Required, func(one string) bool { return one == "name" })
				read.Properties[name] = container
			}
		}
	})
}

// describeCertificates: cert-manager keeps scope, subresources, short names and columns in its hand-written manifests.
func describeCertificates(definition *apiextensions.CustomResourceDefinition) {
	names := &definition.Spec.Names
	acme := strings.HasPrefix(definition.Spec.Group, "acme.")

	names.Categories = []string{"cert-manager"}
	if acme {
		names.Categories = append(names.Categories, "cert-manager-acme")
	}

	names.ShortNames = map[string][]string{
		"Certificate":        {"cert", "certs"},
		"CertificateRequest": {"cr", "crs"},
		"ClusterIssuer":      {"ciss"},
		"Issuer":             {"iss"},
	}[names.Kind]

	if names.Kind == "ClusterIssuer" {
		definition.Spec.Scope = apiextensions.ClusterScoped
	}

	for index := range definition.Spec.Versions {
		version := &definition.Spec.Versions[index]
		version.Subresources = &apiextensions.CustomResourceSubresources{
			Status: &apiextensions.CustomResourceSubresourceStatus{},
		}

		if !acme {
			version.AdditionalPrinterColumns = []apiextensions.CustomResourceColumnDefinition{
				{Name: "Ready", Type: "string", JSONPath: `.status.conditions[?(@.type=="Ready")].status`},
				{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp"},
			}
		}
	}
}

// approve: an apiserver takes a resource of a group of Kubernetes itself only with the address of its review.
func approve(definition *apiextensions.CustomResourceDefinition) {
	if definition.Annotations == nil {
		definition.Annotations = map[string]string{}
	}

	definition.Annotations[apiextensions.KubeAPIApprovedAnnotation] =
		"https://github.com/kubernetes-csi/external-snapshotter/pull/814"
}

// edit calls change for every schema of the definition.
func edit(definition *apiextensions.CustomResourceDefinition, change func(*apiextensions.JSONSchemaProps)) {
	for _, version := range definition.Spec.Versions {
		crd.EditSchema(version.Schema.OpenAPIV3Schema, editor(change))
	}
}

type editor func(*apiextensions.JSONSchemaProps)

// Visit is called with nil behind every schema.
func (change editor) Visit(read *apiextensions.JSONSchemaProps) crd.SchemaVisitor {
	if read != nil {
		change(read)
	}

	return change
}

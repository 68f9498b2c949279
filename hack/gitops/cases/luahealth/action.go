package luahealth

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/yaml"
)

// ActionsKey is where the actions of ConfigMaps are in Argo CD's configuration.
const ActionsKey = "resource.customizations.actions.ConfigMap"

// Actions are what Argo CD offers to do with a ConfigMap.
type Actions struct {
	discovery string
	scripts   map[string]string // by the action's name
}

// ReadActions takes them out of a manifest of Argo CD's configuration.
func ReadActions(file string) (*Actions, error) {
	text, err := readKey(file, ActionsKey)
	if err != nil {
		return nil, err
	}
	var read struct {
		Discovery   string `json:"discovery.lua"`
		Definitions []struct {
			Name   string `json:"name"`
			Script string `json:"action.lua"`
		} `json:"definitions"`
	}
	if err := yaml.UnmarshalStrict([]byte(text), &read); err != nil {
		return nil, fmt.Errorf("%s: %w", ActionsKey, err)
	}
	a := &Actions{discovery: read.Discovery, scripts: map[string]string{}}
	for _, d := range read.Definitions {
		a.scripts[d.Name] = d.Script
	}
	return a, nil
}

// Offered are the names of the actions that Argo CD shows for an object, sorted. Each of them is defined.
func (a *Actions) Offered(u *unstructured.Unstructured) ([]string, error) {
	text, err := encoded(u, a.discovery)
	if err != nil || string(text) == "[]" { // so it encodes a table that is empty
		return nil, err
	}
	var found map[string]struct {
		Disabled    bool
		DisplayName string
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, err
	}
	for name, f := range found {
		if f.Disabled {
			delete(found, name)
		} else if a.scripts[name] == "" {
			return nil, errors.New("it offers " + name + ", which is not defined")
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// Run runs an action and returns the merge patch that Argo CD applies to the object then.
func (a *Actions) Run(name string, u *unstructured.Unstructured) ([]byte, error) {
	if a.scripts[name] == "" {
		return nil, errors.New("there is no action " + name)
	}
	text, err := encoded(u, a.scripts[name])
	if err != nil {
		return nil, err
	}
	var after map[string]any
	if err := json.Unmarshal(text, &after); err != nil {
		return nil, err
	}
	before, err := json.Marshal(u.Object)
	if err != nil {
		return nil, err
	}
	var was map[string]any
	if err := json.Unmarshal(before, &was); err != nil {
		return nil, err
	}
	if text, err = json.Marshal(withEmptyObjects(after, was)); err != nil {
		return nil, err
	}
	return jsonpatch.CreateMergePatch(before, text)
}

func encoded(u *unstructured.Unstructured, script string) ([]byte, error) {
	l, returned, err := run(u, script)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return luajson.Encode(returned)
}

// withEmptyObjects makes an empty list an empty object where it was one: Lua has one kind of table for both. Argo CD does so.
func withEmptyObjects(after, was any) any {
	switch was := was.(type) {
	case map[string]any:
		if list, ok := after.([]any); ok && len(list) == 0 {
			return map[string]any{}
		}
		if fields, ok := after.(map[string]any); ok {
			for key, value := range fields {
				fields[key] = withEmptyObjects(value, was[key])
			}
		}
	case []any:
		if list, ok := after.([]any); ok {
			for i := range min(len(list), len(was)) {
				list[i] = withEmptyObjects(list[i], was[i])
			}
		}
	}
	return after
}

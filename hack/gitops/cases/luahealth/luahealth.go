// Package luahealth runs the health check of examples/argocd in the Lua interpreter that Argo CD has built in.
package luahealth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Check is Argo CD's health check of ConfigMaps.
type Check struct{ script string }

// Verdict is what Argo CD says of an object.
type Verdict struct{ Status, Message string }

// Read takes the script out of a manifest of Argo CD's configuration.
func Read(file string) (*Check, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var cm corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &cm); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if cm.Data[Key] == "" {
		return nil, fmt.Errorf("%s has no %s", file, Key)
	}
	return New(cm.Data[Key]), nil
}

// Key is where the script is in Argo CD's configuration.
const Key = "resource.customizations.health.ConfigMap"

// New is a check by this script.
func New(script string) *Check { return &Check{script} }

// statuses are what a script may answer.
var statuses = []string{"Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"}

// Health runs the script as Argo CD 3 does where useOpenLibs is not set: with the basic, the package and the table
// library, for at most a second.
func (c *Check) Health(u *unstructured.Unstructured) (Verdict, error) {
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return Verdict{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	l.SetContext(ctx)
	l.SetGlobal("obj", toLua(l, u.Object))
	if err := l.DoString(c.script); err != nil {
		return Verdict{}, err
	}
	table, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		return Verdict{}, fmt.Errorf("it returns a %s", l.Get(-1).Type())
	}
	v := Verdict{Status: lua.LVAsString(table.RawGetString("status")), Message: lua.LVAsString(table.RawGetString("message"))}
	if !slices.Contains(statuses, v.Status) {
		return v, errors.New("it returns the status " + v.Status)
	}
	return v, nil
}

// toLua makes a value of JSON one of Lua. A null is nil, so its key is not there.
func toLua(l *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		list := l.NewTable()
		for _, item := range v {
			list.Append(toLua(l, item))
		}
		return list
	case map[string]any:
		table := l.NewTable()
		for key, item := range v {
			table.RawSetString(key, toLua(l, item))
		}
		return table
	}
	return lua.LNil
}

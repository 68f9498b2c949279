// Package luahealth runs the health check and the actions of examples/argocd in the Lua interpreter that Argo CD has built in.
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
	script, err := readKey(file, Key)
	return New(script), err
}

func readKey(file, key string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var cm corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &cm); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	if cm.Data[key] == "" {
		return "", fmt.Errorf("%s has no %s", file, key)
	}
	return cm.Data[key], nil
}

// Key is where the script is in Argo CD's configuration.
const Key = "resource.customizations.health.ConfigMap"

// New is a check by this script.
func New(script string) *Check { return &Check{script} }

// statuses are what a script may answer.
var statuses = []string{"Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"}

// Health runs the script as Argo CD 3 does where useOpenLibs is not set.
func (c *Check) Health(u *unstructured.Unstructured) (Verdict, error) {
	l, returned, err := run(u, c.script)
	if err != nil {
		return Verdict{}, err
	}
	defer l.Close()
	table, ok := returned.(*lua.LTable)
	if !ok {
		return Verdict{}, fmt.Errorf("it returns a %s", returned.Type())
	}
	v := Verdict{Status: lua.LVAsString(table.RawGetString("status")), Message: lua.LVAsString(table.RawGetString("message"))}
	if !slices.Contains(statuses, v.Status) {
		return v, errors.New("it returns the status " + v.Status)
	}
	return v, nil
}

// run runs a script about an object with the basic, the package and the table library, for at most a second. Argo CD's own has the
// time and the date of the os library besides. Actions never have more, whatever useOpenLibs says.
func run(u *unstructured.Unstructured, script string) (l *lua.LState, returned lua.LValue, err error) {
	l = lua.NewState(lua.Options{SkipOpenLibs: true})
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return l, nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	l.SetContext(ctx)
	l.SetGlobal("obj", toLua(l, u.Object))
	if err := l.DoString(script); err != nil {
		return l, nil, err
	}
	return l, l.Get(-1), nil
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

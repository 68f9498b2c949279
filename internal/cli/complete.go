package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/peterbourgon/ff/v3/ffcli"
	"github.com/spf13/cobra"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
)

// completeCommand is what the scripts of the shells call. It is in no list of commands: nobody types it.
const completeCommand = "__complete"

// complete answers what could stand in place of the last word: a line for each candidate, with a description after a
// tab, and in the last line what the shell does with them.
func complete(ctx context.Context, root *ffcli.Command, words []string, stdout io.Writer) {
	if len(words) == 0 {
		words = []string{""}
	}
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	a := answerTo(ctx, root, words[:len(words)-1], words[len(words)-1])
	for _, candidate := range a.candidates {
		fmt.Fprintln(stdout, candidate)
	}
	fmt.Fprintf(stdout, ":%d\n", a.directive)
}

// answer are candidates, each perhaps with a description after a tab.
type answer struct {
	candidates []string
	directive  cobra.ShellCompDirective
}

// fileNames has the shell complete names of files.
var fileNames = answer{directive: cobra.ShellCompDirectiveDefault}

// only are candidates besides which no names of files are meant.
func only(candidates []string) answer {
	return answer{candidates, cobra.ShellCompDirectiveNoFileComp}
}

func answerTo(ctx context.Context, root *ffcli.Command, before []string, word string) answer {
	if len(before) == 0 && !strings.HasPrefix(word, "-") {
		return only(commandsLike(root, word))
	}
	command := "run" // as Main has it
	if len(before) > 0 && !strings.HasPrefix(before[0], "-") {
		command, before = before[0], before[1:]
	}
	i := slices.IndexFunc(root.Subcommands, func(c *ffcli.Command) bool { return c.Name == command })
	if i < 0 {
		return only(nil)
	}
	l := typedLine{command: command, flags: root.Subcommands[i].FlagSet}
	l.read(before)
	return l.answer(ctx, word)
}

func commandsLike(root *ffcli.Command, word string) (candidates []string) {
	for _, c := range root.Subcommands {
		if strings.HasPrefix(c.Name, word) {
			candidates = append(candidates, c.Name+"\t"+c.ShortHelp)
		}
	}
	return candidates
}

// typedLine is what stands before the word that is completed.
type typedLine struct {
	command string
	flags   *flag.FlagSet
	given   []string // flags with their values, each as one word
	args    []string
	open    *flag.Flag // its value is the next word
}

func (l *typedLine) read(words []string) {
	for _, word := range words {
		name, isFlag := flagName(word)
		switch {
		case l.open != nil:
			l.given = append(l.given, "-"+l.open.Name+"="+word)
			l.open = nil
		case !isFlag:
			l.args = append(l.args, word)
		case strings.Contains(word, "="):
			l.given = append(l.given, word)
		default:
			l.open = l.flags.Lookup(name)
			if l.open != nil && isSwitch(l.open) {
				l.open = nil
			}
		}
	}
}

// flagName is that of a word with one dash or two. A dash alone is standard input.
func flagName(word string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(word, "-")
	name, _, _ = strings.Cut(strings.TrimPrefix(rest, "-"), "=")
	return name, ok && word != "-"
}

func isSwitch(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// value is what was given to a flag.
func (l *typedLine) value(flag string) (value string) {
	for _, word := range l.given {
		if name, _ := flagName(word); name == flag {
			_, value, _ = strings.Cut(word, "=")
		}
	}
	return value
}

func (l *typedLine) answer(ctx context.Context, word string) answer {
	name, isFlag := flagName(word)
	_, value, assigns := strings.Cut(word, "=")
	switch {
	case l.open != nil:
		return l.valuesOf(ctx, l.open, word)
	case isFlag && assigns: // the shells put what stands before the value in front of the candidates again
		if f := l.flags.Lookup(name); f != nil {
			return l.valuesOf(ctx, f, value)
		}
		return only(nil)
	case strings.HasPrefix(word, "-"):
		return only(l.flagsLike(word))
	case l.command == "explain":
		return l.explained(ctx, word)
	case l.command == "check" && len(l.args) == 0:
		return l.checked(ctx, word)
	case l.command == "completion" && len(l.args) == 0:
		return only(like(word, shells))
	case l.command == "validate":
		return fileNames
	case word == "": // no argument can stand here
		return only(l.flagsLike("-"))
	}
	return only(nil)
}

// flagsLike have as many dashes as were typed.
func (l *typedLine) flagsLike(word string) (candidates []string) {
	dashes := "-"
	if strings.HasPrefix(word, "--") {
		dashes = "--"
	}
	l.flags.VisitAll(func(f *flag.Flag) {
		if _, usage := flag.UnquoteUsage(f); strings.HasPrefix(dashes+f.Name, word) {
			candidates = append(candidates, dashes+f.Name+"\t"+usage)
		}
	})
	return candidates
}

// valuesOf follows what the usage of a flag calls its value.
func (l *typedLine) valuesOf(ctx context.Context, f *flag.Flag, word string) answer {
	if c, ok := f.Value.(choice); ok {
		return only(like(word, c.words))
	}
	switch what, _ := flag.UnquoteUsage(f); what {
	case "FILE":
		return fileNames
	case "NAMESPACE":
		return only(like(word, l.cluster().namespaces(ctx)))
	case "NAMESPACES":
		i := strings.LastIndex(word, ",") + 1
		return answer{after(word[:i], like(word[i:], l.cluster().namespaces(ctx))),
			cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace}
	}
	return only(like(word, l.cluster().kubeconfigNames(f.Name)))
}

// explained completes the arguments of explain: a namespace, and of it an object. Names are offered of the kinds that people ask about
// most; of the others once their kind is typed.
func (l *typedLine) explained(ctx context.Context, word string) answer {
	namespace := l.value("n")
	for _, arg := range l.args {
		if strings.Contains(arg, "/") {
			return only(nil)
		}
		namespace = arg
	}
	if kind, name, ok := strings.Cut(word, "/"); ok {
		return only(after(kind+"/", like(name, l.cluster().names(ctx, inspect.TargetResources()[kind], namespace))))
	}
	kinds := like(word, inspect.TargetWords())
	for i := range kinds {
		kinds[i] += "/"
	}
	if namespace != "" {
		var all []string
		for _, kind := range []string{"pod", "deployment", "serviceaccount"} {
			all = append(all, after(kind+"/", l.cluster().names(ctx, inspect.TargetResources()[kind], namespace))...)
		}
		if all = like(word, all); word == "" || len(all) > 0 {
			return only(all)
		}
		return answer{kinds, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace}
	}
	all := like(word, l.cluster().namespaces(ctx))
	if len(all) == 0 { // of the current namespace
		return answer{kinds, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace}
	}
	return only(append(all, kinds...))
}

// checked completes the argument of check: a secret.
func (l *typedLine) checked(ctx context.Context, word string) answer {
	name, ok := strings.CutPrefix(word, "secret/")
	if !ok {
		return answer{like(word, []string{"secret/"}), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace}
	}
	return only(after("secret/", like(name, l.cluster().names(ctx, secretsResource, l.value("n")))))
}

func like(word string, all []string) (candidates []string) {
	for _, c := range all {
		if strings.HasPrefix(c, word) {
			candidates = append(candidates, c)
		}
	}
	return candidates
}

func after(prefix string, all []string) (candidates []string) {
	for _, c := range all {
		candidates = append(candidates, prefix+c)
	}
	return candidates
}

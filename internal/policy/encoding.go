package policy

import (
	"strings"
	"unicode/utf8"
)

// ReadText returns the text that bytes hold, without a byte order mark. Everything that reads a policy, from a file, a
// manifest, a dump or the cluster, reads it by this function, so that all of them refuse the same. The Problem says what
// the bytes hold instead of UTF-8, and quotes none of it: a stream of manifests may hold secrets.
func ReadText(content string) (string, *Problem) {
	if form := wideForm(content); form != "" {
		return "", &Problem{Line: 1, Column: 1, Message: form}
	}
	text := strings.TrimPrefix(content, byteOrderMark)
	if at := firstInvalid(text); at >= 0 {
		line, column := placeAt(text, at)
		return "", &Problem{Line: line, Column: column,
			Message: "is not UTF-8: this byte may be a letter in Latin-1 or Windows-1252; save the text as UTF-8"}
	}
	return text, nil
}

const byteOrderMark = "\ufeff"

// What is said of a text whose characters have two or four bytes.
const (
	isUTF16 = "is UTF-16, as PowerShell's > writes it: save it as UTF-8, in PowerShell with | Out-File -Encoding utf8"
	isUTF32 = "is UTF-32: save it as UTF-8"
)

// wideForm recognises UTF-16 and UTF-32 by the byte order mark, or else by their many zero bytes: kubectl takes a file
// without that mark for UTF-8.
func wideForm(content string) string {
	switch {
	case strings.HasPrefix(content, "\xff\xfe\x00\x00"), strings.HasPrefix(content, "\x00\x00\xfe\xff"):
		return isUTF32
	case strings.HasPrefix(content, "\xff\xfe"), strings.HasPrefix(content, "\xfe\xff"):
		return isUTF16
	}
	start := content[:min(len(content), 1024)]
	switch zeros := strings.Count(start, "\x00"); {
	case zeros == 0:
	case zeros*10 >= len(start)*6:
		return isUTF32
	case zeros*10 >= len(start)*3:
		return isUTF16
	}
	return ""
}

// firstInvalid is the offset of the first byte that is not UTF-8, or -1.
func firstInvalid(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			return i
		}
	}
	return -1
}

// placeAt is the line and column of an offset, from 1.
func placeAt(text string, offset int) (line, column int) {
	before := text[:offset]
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

// binaryKey starts the name of a document that stands under binaryData. No key of a ConfigMap has a slash.
const binaryKey = "binaryData/"

// Documents are the documents of a ConfigMap, by name: the key, and binaryData/KEY for what stands under binaryData,
// where kubectl puts a file that is not UTF-8. Parse refuses those with the cause.
func Documents(data map[string]string, binary map[string][]byte) map[string]string {
	if len(binary) == 0 {
		return data
	}
	documents := map[string]string{}
	for key, text := range data {
		documents[key] = text
	}
	for key, value := range binary {
		documents[binaryKey+key] = string(value)
	}
	return documents
}

// read takes the text of a document.
func (t *text) read(content string) bool {
	text, problem := ReadText(content)
	if problem == nil && strings.HasPrefix(t.name, binaryKey) {
		problem = &Problem{Line: 1, Column: 1, Message: "stands under binaryData, and a policy is read under data only: move it there, as plain text"}
	}
	if problem != nil {
		problem.Document = t.name
		t.problems = append(t.problems, *problem)
		return false
	}
	t.content = text
	return true
}

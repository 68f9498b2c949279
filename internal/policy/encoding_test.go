package policy

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

const goodText = "# caf\u00e9\napiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"

// inUTF16 encodes a text, with a byte order mark if it starts with one.
func inUTF16(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

func inUTF32(text string) string {
	var out []byte
	for _, r := range text {
		out = binary.LittleEndian.AppendUint32(out, uint32(r))
	}
	return string(out)
}

func TestATextIsReadOrItsFormIsNamed(t *testing.T) {
	const notUTF8 = "is not UTF-8: this byte may be a letter in Latin-1 or Windows-1252; save the text as UTF-8"
	for _, tt := range []struct{ why, content, text, want string }{
		{"UTF-8", goodText, goodText, ""},
		{"nothing", "", "", ""},
		{"a byte order mark is no part of the text", byteOrderMark + goodText, goodText, ""},
		{"the line ends of Windows", "a\r\nb\r\n", "a\r\nb\r\n", ""},
		{"PowerShell's >", inUTF16(binary.LittleEndian, byteOrderMark+goodText), "", "line 1, column 1: " + isUTF16},
		{"UTF-16, big endian", inUTF16(binary.BigEndian, byteOrderMark+goodText), "", "line 1, column 1: " + isUTF16},
		{"UTF-16 without its mark, which is valid UTF-8 where all is ASCII", inUTF16(binary.LittleEndian, "kind: Policy\n"), "", "line 1, column 1: " + isUTF16},
		{"the same, big endian", inUTF16(binary.BigEndian, goodText), "", "line 1, column 1: " + isUTF16},
		{"UTF-32", inUTF32(byteOrderMark + goodText), "", "line 1, column 1: " + isUTF32},
		{"UTF-32 without its mark", inUTF32(goodText), "", "line 1, column 1: " + isUTF32},
		{"Latin-1", "a: b\n\u00e9 caf\xe9\n", "", "line 2, column 6: " + notUTF8},
		{"Windows-1252, after a byte order mark", byteOrderMark + "# \x93x\x94\n", "", "line 1, column 3: " + notUTF8},
		{"a character that is cut off", "a: \xe2\x82", "", "line 1, column 4: " + notUTF8},
		{"a replacement character is a character", "# \ufffd\n", "# \ufffd\n", ""},
		{"one zero byte is no sign of UTF-16", "name: hub\x00\n", "name: hub\x00\n", ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got := ""
			text, problem := ReadText(tt.content)
			if problem != nil {
				got = problem.String()
			}
			if diff := cmp.Diff([]string{tt.text, tt.want}, []string{text, got}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPolicyUnderBinaryDataIsRefusedWithTheCause(t *testing.T) {
	utf16 := []byte(inUTF16(binary.LittleEndian, byteOrderMark+goodText))
	for _, tt := range []struct {
		why    string
		data   map[string]string
		binary map[string][]byte
		want   string
	}{
		{"UTF-16", nil, map[string][]byte{"policy.yaml": utf16}, "binaryData/policy.yaml: line 1, column 1: " + isUTF16},
		{"a good text that somebody put there", nil, map[string][]byte{"policy.yaml": []byte(goodText)},
			"binaryData/policy.yaml: line 1, column 1: stands under binaryData, and a policy is read under data only: move it there, as plain text"},
		{"beside a good one", map[string]string{"a.yaml": goodText}, map[string][]byte{"b.yaml": utf16},
			"binaryData/b.yaml: line 1, column 1: " + isUTF16},
		{"what is no document is ignored, as under data", map[string]string{"a.yaml": goodText}, map[string][]byte{"logo.png": {0x89, 'P'}},
			"binaryData/logo.png: warning: is ignored: a key holds a policy when it ends in .yaml, .yml or .json"},
		{"so large only because it is UTF-16", nil, map[string][]byte{"policy.yaml": []byte(inUTF16(binary.LittleEndian, byteOrderMark+strings.Repeat("# x\n", MaxSize/5)))},
			"binaryData/policy.yaml: line 1, column 1: " + isUTF16},
	} {
		t.Run(tt.why, func(t *testing.T) {
			p, problems := Parse(Documents(tt.data, tt.binary), options)
			if (p != nil) != (len(problems.Errors()) == 0) {
				t.Errorf("policy %v with %v", p, problems)
			}
			if diff := cmp.Diff(tt.want, problems.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheHashCoversBinaryData(t *testing.T) {
	text := func(binary string) map[string]string {
		return Documents(map[string]string{"a.yaml": "one"}, map[string][]byte{"b.yaml": []byte(binary)})
	}
	if Hash(text("\xff1")) == Hash(text("\xff2")) || Hash(text("\xff1")) == Hash(map[string]string{"a.yaml": "one"}) {
		t.Error("another text under binaryData has the same hash, and would not be judged")
	}
	if Hash(text("two")) == Hash(map[string]string{"a.yaml": "one", "b.yaml": "two"}) {
		t.Error("a text that was moved to data has the same hash, and would not be judged")
	}
}

// TestAByteOrderMarkAndLineEndsOfWindowsChangeNothing holds that for every document of testdata.
func TestAByteOrderMarkAndLineEndsOfWindowsChangeNothing(t *testing.T) {
	for _, c := range testCases(t, "testdata/*/*.txtar", 78) {
		documents := c.documents()
		marked := map[string]string{}
		for name, content := range documents {
			if _, problem := ReadText(byteOrderMark + content); problem != nil || strings.HasPrefix(content, byteOrderMark) {
				continue
			}
			marked[name] = byteOrderMark + strings.ReplaceAll(strings.ReplaceAll(content, "\r\n", "\n"), "\n", "\r\n")
		}
		if len(marked) < len(documents) {
			continue
		}
		p, problems := Parse(documents, options)
		q, problemsMarked := Parse(marked, options)
		if (p == nil) != (q == nil) {
			t.Errorf("%s: accepted %t, and %t as Windows writes it", c.path, p != nil, q != nil)
		} else if p != nil && render(p, problems) != render(q, problemsMarked) {
			t.Errorf("%s (-as it is +as Windows writes it):\n%s", c.path, cmp.Diff(render(p, problems), render(q, problemsMarked)))
		}
		if diff := cmp.Diff(problems.Error(), problemsMarked.Error()); diff != "" {
			t.Errorf("%s (-as it is +as Windows writes it):\n%s", c.path, diff)
		}
	}
}

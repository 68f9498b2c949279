package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

func frame(t *testing.T, kind string) []byte {
	t.Helper()
	known := runtime.NewScheme()
	if err := corev1.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	var object bytes.Buffer
	if err := protobuf.NewSerializer(known, known).Encode(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "a\nb"}}, &object); err != nil {
		t.Fatal(err)
	}
	event, err := (&metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: object.Bytes()}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(event))), event...)
}

// TestAFrameIsReadWhole, whatever its bytes are, and what is left of one that was cut is passed on.
func TestAFrameIsReadWhole(t *testing.T) {
	added, bookmark := frame(t, "ADDED"), frame(t, "BOOKMARK")
	from := bufio.NewReader(bytes.NewReader(append(append(bytes.Clone(added), bookmark...), added[:9]...)))
	for _, want := range []struct {
		kind string
		line []byte
		err  error
	}{{"ADDED", added, nil}, {"BOOKMARK", bookmark, nil}, {"", added[:9], io.EOF}, {"", nil, io.EOF}} {
		e, err := readFrame(from)
		if e.Type != want.kind || !bytes.Equal(e.Line, want.line) || !errors.Is(err, want.err) {
			t.Errorf("got %q, %d bytes and %v, want %q and %d", e.Type, len(e.Line), err, want.kind, len(want.line))
		}
	}
}

// TestAnErrorIsToldInTheWatchsOwnForm with its code and reason.
func TestAnErrorIsToldInTheWatchsOwnForm(t *testing.T) {
	e, err := readFrame(bufio.NewReader(bytes.NewReader(errorEvent(status(410, 0), true))))
	if err != nil || e.Type != "ERROR" {
		t.Fatalf("%q, %v", e.Type, err)
	}
	var event metav1.WatchEvent
	if err := event.Unmarshal(e.Line[4:]); err != nil {
		t.Fatal(err)
	}
	known := runtime.NewScheme()
	metav1.AddToGroupVersion(known, metav1.Unversioned)
	object, _, err := protobuf.NewSerializer(known, known).Decode(event.Object.Raw, nil, nil)
	if s, ok := object.(*metav1.Status); err != nil || !ok || s.Code != 410 || s.Reason != metav1.StatusReasonExpired {
		t.Errorf("%v, %v", object, err)
	}
	if line := string(errorEvent(status(410, 0), false)); !bytes.Contains([]byte(line), []byte(`"reason":"Expired"`)) || errorEvent(nil, true) != nil {
		t.Errorf("%s", line)
	}
}

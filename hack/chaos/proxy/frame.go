package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

var eventType = regexp.MustCompile(`^\s*\{"type":"([A-Z]+)"`)

// readLine reads an event of a watch in JSON. What comes before an error is returned with it.
func readLine(from *bufio.Reader) (e Event, err error) {
	e.Line, err = from.ReadBytes('\n')
	if found := eventType.FindSubmatch(e.Line); found != nil {
		e.Type = string(found[1])
	}
	return e, err
}

// readFrame reads an event of a watch in protobuf: four bytes with its length, and a metav1.WatchEvent. Source:
// k8s.io/apimachinery/pkg/runtime/serializer/protobuf, LengthDelimitedFramer.
func readFrame(from *bufio.Reader) (e Event, err error) {
	var frame bytes.Buffer
	if _, err := io.CopyN(&frame, from, 4); err != nil {
		return Event{Line: frame.Bytes()}, err
	}
	_, err = io.CopyN(&frame, from, int64(binary.BigEndian.Uint32(frame.Bytes())))
	e.Line = frame.Bytes()
	var event metav1.WatchEvent
	if err == nil && event.Unmarshal(e.Line[4:]) == nil {
		e.Type = event.Type
	}
	return e, err
}

// errorEvent is the event of an error, in protobuf or in JSON. A status is a JSON object; nil makes no event.
func errorEvent(status map[string]any, inProtobuf bool) []byte {
	switch {
	case status == nil:
		return nil
	case !inProtobuf:
		return append(encode(map[string]any{"type": "ERROR", "object": status}), '\n')
	}
	var typed metav1.Status
	if err := json.Unmarshal(encode(status), &typed); err != nil {
		panic(err) // it was made by this package
	}
	known := runtime.NewScheme()
	metav1.AddToGroupVersion(known, metav1.Unversioned)
	var object bytes.Buffer
	if err := protobuf.NewSerializer(known, known).Encode(&typed, &object); err != nil {
		panic(err)
	}
	event, err := (&metav1.WatchEvent{Type: "ERROR", Object: runtime.RawExtension{Raw: object.Bytes()}}).Marshal()
	if err != nil {
		panic(err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(event))), event...)
}

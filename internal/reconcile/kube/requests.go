package kube

import (
	"errors"
	"fmt"
	"io"
	"mime"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// requests are about objects of a resource, in a namespace or in all. They are sent beside the dynamic client, which can only return maps,
// or nothing.
type requests struct {
	rest      rest.Interface
	resource  schema.GroupVersionResource
	namespace string
}

// path is that of the resource, or of what else is named.
func (r requests) path(name ...string) ([]string, error) {
	path := []string{"api"}
	if r.resource.Group != "" {
		path = []string{"apis", r.resource.Group}
	}
	path = append(path, r.resource.Version)
	if r.namespace != "" {
		path = append(path, "namespaces", r.namespace)
	}
	path = append(append(path, r.resource.Resource), name...)
	for _, part := range path {
		if wrong := rest.IsValidPathSegmentName(part); part == "" || len(wrong) > 0 {
			return nil, fmt.Errorf("invalid name %q in a request's path: %v", part, wrong)
		}
	}
	return path, nil
}

// typed returns what an answer has: of its type where it is in protobuf, otherwise decoded into untyped. What cannot be decoded is the
// error that is given.
func typed(answer rest.Result, untyped runtime.Object, undecodable error) (runtime.Object, error) {
	contentType := ""
	answer.ContentType(&contentType)
	if media, _, _ := mime.ParseMediaType(contentType); media == runtime.ContentTypeProtobuf {
		return decoded(answer, undecodable)
	}
	return untyped, refused(answer, answer.Into(untyped), undecodable)
}

// decoded returns what an answer has, of whatever type.
func decoded(answer rest.Result, undecodable error) (runtime.Object, error) {
	out, err := answer.Get()
	return out, refused(answer, err, undecodable)
}

// refused is what is wrong with an answer: that of the API server, if it is one, or that it ended early; otherwise the given one for what
// cannot be decoded. The decoder's own words may hold what it read.
func refused(answer rest.Result, err, undecodable error) error {
	var status apierrors.APIStatus
	if err == nil || answer.Error() != nil || errors.As(err, &status) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return undecodable
}

// NotFoundElsewhere reports whether it was not the API server that did not find something: what a proxy says of a path that it does not
// know tells nothing of an object. Of a resource that is not served (any more) the API server itself says no more than that.
func NotFoundElsewhere(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

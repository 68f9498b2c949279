// Package decide decides, of the sources whose registries are asked before they are copied (verify: true), when that is done and
// what follows from the answers. It is pure: what time it is, callers tell it, and chance is a number that they drew.
//
//	new content -> Asking -> all take it      -> Accepted   -> asked again every hour
//	                      -> one refuses it   -> Refused    -> asked again every hour
//	                      -> no answer, yet   -> tried again, with growing pauses; after a minute Unverified
//	                      -> nothing to learn -> Unverified -> asked again every hour
//
// No answer is not a no: what was accepted stays so, and what was refused too, until a registry says otherwise or the source
// has other content. After a restart nobody knows what content was refused. So a source that has another version by then is
// not rolled out for want of an answer, as it may hold the same.
package decide

package cli

import "errors"

// exitError ends the program with a status of its own, where a command's statuses mean something. err may be nil: the
// command has said all there is to say.
type exitError struct {
	status int
	err    error
}

func (e exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// exitStatus is the status that an error of a command ends the program with, and whether there is something left to
// print. Where status 1 is an answer, as with plan, validate and check, failing has another, so that a script can tell them apart.
func exitStatus(err error, command string) (status int, message bool) {
	var e exitError
	switch {
	case errors.As(err, &e):
		return e.status, e.err != nil
	case command == "plan":
		return planFailed, true
	case command == "coverage":
		return coverageFailed, true
	case command == "validate":
		return validateFailed, true
	case command == "check":
		return checkFailed, true
	}
	return 1, true
}

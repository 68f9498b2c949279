// Package registries holds what package registry, and with it the command check, says of real registries: the distribution
// project's, with passwords and with a token server, behind TLS and a proxy. It is a module of its own, because such a
// registry is no library that the program should have.
package registries

// Package page has only tests: they open the page of `pullsecrets coverage -o html`, and the one that `pullsecrets ui` serves, in a
// real browser.
package page

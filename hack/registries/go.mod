module github.com/pullsecrets/pullsecrets/hack/registries

go 1.26.0

replace github.com/pullsecrets/pullsecrets => ../..

require (
	github.com/distribution/distribution/v3 v3.1.2
	github.com/go-jose/go-jose/v4 v4.1.4
	github.com/pullsecrets/pullsecrets v0.0.0-00010101000000-000000000000
)

module github.com/pullsecrets/pullsecrets/hack/matrix

go 1.26.0

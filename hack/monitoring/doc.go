// Package monitoring is the one source of what comes with pullsecrets for Prometheus and Grafana: alerts.go has the alerts and
// dashboard.go the panels. The tests write kustomize/components/monitoring of them, try the alerts with promtool on series that
// a real run produced, and ask a real Prometheus that scrapes the real program every query.
package monitoring

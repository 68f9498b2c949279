{{/* values.yaml, for a release whose values come from another chart. Generated: go -C hack/helm test . -run Generated -update */}}
{{- define "pullsecrets.defaults" -}}
{
 "admission": {
  "enabled": false
 },
 "affinity": {},
 "autoscaling": {},
 "dockerSecrets": {},
 "env": null,
 "evict": {
  "enabled": false,
  "extraArgs": [],
  "resources": {
   "limits": {
    "memory": "256Mi"
   },
   "requests": {
    "cpu": "5m",
    "memory": "48Mi"
   }
  }
 },
 "expiryWarning": "",
 "extraArgs": [],
 "extraObjects": [],
 "fullnameOverride": "",
 "guard": {
  "enabled": true
 },
 "ha": {
  "enabled": false,
  "replicas": 2
 },
 "image": {
  "digest": "",
  "pullPolicy": "",
  "reference": "",
  "registry": "ghcr.io",
  "repository": "pullsecrets/pullsecrets",
  "tag": ""
 },
 "imagePullSecrets": [],
 "livenessProbe": null,
 "logFormat": "",
 "logLevel": "",
 "maxFailing": null,
 "maxPrune": null,
 "monitoring": {
  "dashboard": {
   "annotations": {},
   "enabled": false,
   "labels": {
    "grafana_dashboard": "1"
   }
  },
  "enabled": false,
  "podMonitor": {
   "enabled": false,
   "interval": "",
   "labels": {},
   "scrapeTimeout": ""
  },
  "prometheusRule": {
   "enabled": false,
   "spec": []
  },
  "rules": {
   "enabled": false,
   "labels": {}
  }
 },
 "nameOverride": "",
 "networkPolicy": {
  "enabled": true
 },
 "nodeSelector": {
  "kubernetes.io/os": "linux"
 },
 "podAnnotations": {},
 "podLabels": {},
 "podSecurityContext": {
  "runAsNonRoot": true,
  "seccompProfile": {
   "type": "RuntimeDefault"
  }
 },
 "policy": {
  "create": true,
  "nodeCredentials": [],
  "rules": null
 },
 "priorityClassName": "",
 "rbac": {
  "also": [],
  "copies": [],
  "create": true,
  "fromStatus": false,
  "sources": []
 },
 "readinessProbe": null,
 "replicaCount": null,
 "resources": {
  "limits": {
   "memory": "256Mi"
  },
  "requests": {
   "cpu": "10m",
   "memory": "64Mi"
  }
 },
 "revision": {
  "enabled": false
 },
 "securityContext": {
  "allowPrivilegeEscalation": false,
  "capabilities": {
   "drop": [
    "ALL"
   ]
  },
  "readOnlyRootFilesystem": true
 },
 "serviceAccount": {
  "annotations": {},
  "automount": null,
  "create": true,
  "name": ""
 },
 "sourceNamespaces": [],
 "sources": [],
 "tolerations": [],
 "verify": {
  "caConfigMap": "",
  "networkPolicy": false,
  "plainHTTP": []
 },
 "viewer": {
  "enabled": false,
  "groups": [
   "pullsecrets-viewers"
  ]
 },
 "volumeMounts": [],
 "volumes": [],
 "wideRbac": {
  "enabled": false
 }
}
{{- end -}}

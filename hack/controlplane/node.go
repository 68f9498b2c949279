package main

import "os"

// nodeControllers are those that a node needs besides the ones that are always there: for what Deployments ask for, for
// the certificate authority in pods, and for the taint that a new node has until it is ready.
var nodeControllers = []string{"deployment-controller", "replicaset-controller",
	"root-ca-certificate-publisher-controller", "node-lifecycle-controller"}

// writeNodeKubeconfig makes the login of a kubelet: a user that the Node authorizer knows as the node node1.
func (p *plane) writeNodeKubeconfig() error {
	token := newToken()
	tokens, err := os.OpenFile(p.file("tokens.csv"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer tokens.Close()
	if _, err := tokens.WriteString(token + `,system:node:node1,node1,"system:nodes"` + "\n"); err != nil {
		return err
	}
	return p.writeKubeconfigOf(p.file("node.kubeconfig"), "node", token)
}

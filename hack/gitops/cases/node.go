package cases

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Node stands in for the controllers and kubelets that a bare API server lacks. It runs pullsecrets with the arguments
// of its Deployment, as the Deployment's service account, and says in the Deployment's status what /readyz says. Of two
// replicas it runs one.
type Node struct {
	c      *Cluster
	client kubernetes.Interface
	binary string
	health string
	args   []string
	runs   *controller
}

// StartNode works until the test ends or it is stopped.
func StartNode(c *Cluster, binary string) (stop func()) {
	c.T.Helper()
	client, err := kubernetes.NewForConfig(c.Config)
	must(c.T, err)
	n := &Node{c: c, client: client, binary: binary, health: freeAddress(c)}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for ; ctx.Err() == nil; <-tick.C {
			n.look(ctx)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
		if n.runs != nil {
			n.runs.stop()
			if c.T.Failed() {
				c.T.Logf("the controller's log:\n%s", n.runs.log.String())
			}
		}
	})
	c.T.Cleanup(stop)
	return stop
}

func freeAddress(c *Cluster) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(c.T, err)
	defer l.Close()
	return l.Addr().String()
}

// look does what the Deployment says now. What fails is tried again by the next look.
func (n *Node) look(ctx context.Context) {
	d, err := n.client.AppsV1().Deployments(Home).Get(ctx, "pullsecrets", metav1.GetOptions{})
	if err != nil {
		return
	}
	if args := d.Spec.Template.Spec.Containers[0].Args; n.runs == nil || !slices.Equal(args, n.args) {
		n.start(d, args)
	}
	ready := int32(0)
	if answer, err := http.Get("http://" + n.health + "/readyz"); err == nil {
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			ready = *d.Spec.Replicas
		}
	}
	if d.Status.ObservedGeneration != d.Generation || d.Status.ReadyReplicas != ready {
		n.report(ctx, d, ready)
	}
}

func (n *Node) start(d *appsv1.Deployment, args []string) {
	if n.runs != nil {
		n.runs.stop()
	}
	n.args = args
	n.runs = &controller{t: n.c.T, binary: n.binary, args: append(slices.Clone(args), "-kubeconfig", n.c.Kubeconfig,
		"-as", "system:serviceaccount:"+Home+":"+d.Spec.Template.Spec.ServiceAccountName,
		"-health-addr", n.health, "-metrics-addr=", "-log-format=json")}
	n.runs.start()
}

func (n *Node) report(ctx context.Context, d *appsv1.Deployment, ready int32) {
	status := appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: *d.Spec.Replicas, UpdatedReplicas: *d.Spec.Replicas, ReadyReplicas: ready,
		AvailableReplicas: ready, UnavailableReplicas: *d.Spec.Replicas - ready,
	}
	if ready > 0 {
		status.Conditions = []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: "True"},
			{Type: appsv1.DeploymentProgressing, Status: "True", Reason: "NewReplicaSetAvailable"},
		}
	}
	d.Status = status
	_, _ = n.client.AppsV1().Deployments(Home).UpdateStatus(ctx, d, metav1.UpdateOptions{})
	budgets, _ := n.client.PolicyV1().PodDisruptionBudgets(Home).List(ctx, metav1.ListOptions{})
	for _, b := range budgets.Items {
		b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: b.Generation, CurrentHealthy: ready, DesiredHealthy: 1, ExpectedPods: *d.Spec.Replicas}
		_, _ = n.client.PolicyV1().PodDisruptionBudgets(Home).UpdateStatus(ctx, &b, metav1.UpdateOptions{})
	}
}

// Package e2e tests the controller against a real API server: make test starts one and sets
// PULLSECRETS_TEST_KUBECONFIG. What the tests share is in package harness; what one behaviour needs alone is in its file.
//
// Two controllers on one cluster would prune each other's work, so the tests run one after the other, each with a
// controller and namespaces of its own.
//
// The behaviours, and the files that hold them:
//
//	changes_test.go                   what follows each change in the cluster: namespaces, accounts, labels, sources, opt-outs
//	converged_test.go                 a cluster where nothing is to be done sees no request
//	policy_test.go                    a policy that is missing, refused or deleted; the last good one, and a lost status
//	policy_feedback_test.go           what the annotations, the status ConfigMap and Events say, also where one has no room
//	policy_health_test.go             how many namespaces may have problems of their own before the policy is Degraded
//	prune_test.go                     what is no longer wanted goes, too much at once is held, and a confirmation releases it
//	override_test.go                  one namespace has a credential of its own: that is meant, comes and goes in place
//	source_test.go                    sources that are missing or of no use to the kubelet; the source itself is never written
//	source_expiry_test.go             a credential that ends: warned of, told, and mended
//
//	verify_test.go                    sources whose registries are asked first: refused, revoked, not answered for, after a restart
//	verify_renamed_test.go            what is replaced stays while the registry of its replacement is asked, or refuses
//	verify_registry_test.go           the registry that these tests ask
//
//	list_entries_test.go              imagePullSecrets: entries of others survive, also when both write at once
//	list_release_test.go              imagePullSecrets: after our last entry, whoever applies the account meets no conflict
//	copy_foreign_test.go              copies: a secret of somebody else is in the way
//	copy_replaced_test.go             copies: what the API forbids to update is deleted and made again
//	copy_deleting_test.go             copies: what is being deleted and does not go yet
//	copy_marks_test.go                copies: which marks they carry, and what they do not inherit
//	installations_test.go             two installations in one cluster leave each other alone
//	contention_test.go                somebody rewrites what we write: back off, and name the other
//	written_altered_test.go           admission of others alters what we write
//	written_mutation_test.go          that admission: a policy, or a webhook where the API server is too old
//	late_writes_test.go               a write that arrives after somebody else's is refused
//	server_away_test.go               an API server that goes away, hangs, never answers, or breaks watches
//	typed_watch_test.go               protobuf shows what a list in JSON shows
//
//	permission_test.go                roles that lack something: what is reported, and that the rest goes on
//	token_rights_test.go              all that the controller's token may do, and nothing else
//	token_ways_up_test.go             known ways from some permission to more are closed
//	credential_leak_test.go           no credential in logs, Events, status, metrics or panics
//	bounds_test.go                    no line of log, Event or status grows without bounds
//	metrics_test.go                   what Prometheus is told
//	ha_test.go                        several replicas: who leads, and how one hands over
//	ha_replica_test.go                a replica of the program behind a proxy of its own
//	upgrade_test.go                   another version takes over in the middle of a roll-out, and the one before it again
//
//	attach_pods_test.go               attach: pods: who has the names, and that none is written to an account
//	attach_move_test.go               attach: pods: a rule moves there and back, and no new pod lacks a name
//
//	admission_birth_test.go           the admission component: no account and no pod is born without its names
//	admission_names_test.go           the admission component: the promised names follow the policy
//	admission_owner_test.go           the admission component: whoever applies a list of their own fights nobody
//	admission_release_test.go         the admission component: lists are given up once their names are promised
//	admission_component_test.go       the admission component: it comes, goes, is missing, is purged, and with which rights
//	admission_pods_test.go            the admission component: names for pods, without a difference for those who apply them
//	admission_probe_test.go           the admission component: what tells which parameters the API server acts on
//	admission_budget_test.go          the admission component: the largest parameters stay within the API server's budget
//	admission_property_test.go        the admission component: it decides as the controller does, on random policies
//	admission_property_pods_test.go   the admission component: the same for pods
//	admission_property_model_test.go  the admission component: what the controller would decide
//
//	evict_test.go                     pods that came too early are evicted, and no others
//	evict_repeat_test.go              evict: no pod twice, no circle, refusals, an API server that goes away
//	evict_rights_test.go              evict: what its token may do
//
//	command_plan_test.go              plan says what run does
//	command_status_test.go            status: the revision that is waited for, all problems, a held prune, a viewer's rights
//	command_explain_team_test.go      explain with the rights of a team
//	command_explain_test.go           explain names the cause
//	command_check_test.go             check asks the registries, and says nothing of a credential
//	command_coverage_test.go          coverage says the same of a cluster and of its dump, and what it may not read
//	command_ui_test.go                ui tells what a person may know, as it changes, and nothing of a credential
//	command_purge_test.go             purge removes what is ours, and nothing else
//	command_completion_test.go        completion, in the shells and in kubectl
//	command_kubeconfig_test.go        which cluster and which user a command takes
//	ancestor_flags_test.go            imagepullsecret-patcher: its flags and manifests
//	ancestor_runonce_test.go          imagepullsecret-patcher: one pass, and what changes between two
//	ancestor_takeover_test.go         imagepullsecret-patcher: what it and its forks left is taken over
//
//	manifests_applied_test.go         each manifest is applied as it is
//	manifests_golden_test.go          what each kustomization builds
//	manifests_roles_test.go           what the roles name, and how the pod is restricted
//	manifests_older_test.go           what is shipped for older clusters
//	docs_test.go                      a command of the documentation, run as it stands there
//	ci_test.go                        the check and the plan of a merge request
//	ci_setup_test.go                  the program that a pipeline installs
//	ci_pipeline_test.go               a pipeline that runs the steps of the actions and examples
//
//	index_test.go                     that this list is complete
//	kubeconfig_test.go                a kubeconfig of a service account
//	main_test.go                      the process of the tests
//	sandbox_test.go                   the harness's sandbox, as the tests here take it
package e2e

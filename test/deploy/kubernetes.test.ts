import { describe, expect, it } from 'vitest'
import { readServiceSettings } from '../../src/config.ts'
import { at, readYaml, textAt, textsAt, type Yaml, yamlFiles } from './manifests.ts'

const [kustomization] = readYaml('k8s/kustomization.yaml')
const [deployment] = readYaml('k8s/deployment.yaml')
const [configMap] = readYaml('k8s/config-map.yaml')
const [sample] = readYaml('k8s/secret.sample.yaml')
const pod = at(deployment, 'spec.template.spec')
const container = at(pod, 'containers.0')
const listed = textsAt(kustomization, 'resources')

/** The sample with its placeholders filled in, as an operator would. */
function secrets(): Record<string, string> {
  const key = `k1:${Buffer.alloc(32, 7).toString('base64')}`
  const filled = texts(at(sample, 'stringData')).map(([name, value]) => [
    name,
    value === 'REPLACE' ? key : value.replace('REPLACE', 'word'),
  ])
  return Object.fromEntries(filled)
}

function texts(map: Yaml | undefined): [string, string][] {
  return Object.entries(map ?? {}).map(([name, value]) => [name, String(value)])
}

const settings = readServiceSettings({ ...Object.fromEntries(texts(at(configMap, 'data'))), ...secrets() })

function portNamed(name: Yaml | undefined): Yaml | undefined {
  const ports = at(container, 'ports')
  const port = Array.isArray(ports) ? ports.find((entry) => at(entry, 'name') === name) : undefined
  return at(port, 'containerPort')
}

describe('the kustomization', () => {
  it('lists every manifest of its folder but the sample secret, and nothing else', () => {
    const present = yamlFiles('k8s').filter((name) => !/^(?:kustomization|.*\.sample)\.yaml$/.test(name))
    expect(new Set(listed)).toEqual(new Set(present))
  })

  it('selects by the labels that the pods carry', () => {
    const labels = at(pod && deployment, 'spec.template.metadata.labels')
    const [service, ops] = readYaml('k8s/service.yaml')
    const [budget] = readYaml('k8s/pod-disruption-budget.yaml')
    const [policy] = readYaml('k8s/network-policy.yaml')
    const selectors = [
      at(deployment, 'spec.selector.matchLabels'),
      at(service, 'spec.selector'),
      at(ops, 'spec.selector'),
      at(budget, 'spec.selector.matchLabels'),
      at(policy, 'spec.podSelector.matchLabels'),
      at(pod, 'topologySpreadConstraints.0.labelSelector.matchLabels'),
      at(pod, 'topologySpreadConstraints.1.labelSelector.matchLabels'),
    ]
    for (const selector of selectors) expect(selector).toEqual(labels)
  })

  it('puts the pods into a namespace that enforces the restricted level', () => {
    const [namespace] = readYaml('k8s/namespace.yaml')
    expect(at(namespace, 'metadata.name')).toBe(at(kustomization, 'namespace'))
    expect(JSON.stringify(namespace)).toContain('"pod-security.kubernetes.io/enforce":"restricted"')
  })
})

describe('the deployment', () => {
  it('starts with settings that the service accepts, from the config map and the sample secret', () => {
    expect(settings.host).toBe('0.0.0.0')
    expect(at(container, 'envFrom')).toEqual([
      { configMapRef: { name: at(configMap, 'metadata.name') } },
      { secretRef: { name: at(sample, 'metadata.name') } },
    ])
  })

  it('keeps secrets out of the config map', () => {
    const names = Object.keys(secrets())
    expect(names.filter((name) => at(configMap, `data.${name}`) !== undefined)).toEqual([])
    expect(JSON.stringify(configMap)).not.toMatch(/:\/\/[^"]*:[^"]*@|[A-Za-z0-9+/]{43}=/)
  })

  it('is probed on the operator port, each probe by its own path', () => {
    for (const [probe, path] of [
      ['startupProbe', '/startupz'],
      ['livenessProbe', '/livez'],
      ['readinessProbe', '/readyz'],
    ]) {
      expect(at(container, `${probe}.httpGet.path`)).toBe(path)
      expect(portNamed(at(container, `${probe}.httpGet.port`))).toBe(settings.opsPort)
    }
  })

  it('is reached through services whose ports are those the service listens on', () => {
    const [service, ops] = readYaml('k8s/service.yaml')
    expect(portNamed(at(service, 'spec.ports.0.targetPort'))).toBe(settings.port)
    expect(portNamed(at(ops, 'spec.ports.0.targetPort'))).toBe(settings.opsPort)
  })

  it('meets the restricted level: a numeric user, no new privileges, no capabilities, a root that is read-only', () => {
    expect(at(pod, 'securityContext.runAsNonRoot')).toBe(true)
    expect(at(pod, 'securityContext.runAsUser')).toBeGreaterThan(0)
    expect(at(pod, 'securityContext.seccompProfile.type')).toBe('RuntimeDefault')
    expect(at(pod, 'automountServiceAccountToken')).toBe(false)
    expect(at(container, 'securityContext')).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(at(container, 'volumeMounts')).toEqual([{ name: 'tmp', mountPath: '/tmp' }])
    expect(at(pod, 'volumes.0.name')).toBe('tmp')
  })

  it('gives a pod the time to drain: what it sleeps and what requests may take fit into the grace period', () => {
    const sleep = Number(textAt(container, 'lifecycle.preStop.sleep.seconds'))
    const grace = Number(textAt(pod, 'terminationGracePeriodSeconds'))
    expect(grace).toBeGreaterThanOrEqual(sleep + settings.drainTimeoutMs / 1000 + 10)
  })

  it('never has fewer replicas than it should: not in a rollout, and one at a time in a drain', () => {
    const [budget] = readYaml('k8s/pod-disruption-budget.yaml')
    expect(at(deployment, 'spec.strategy.rollingUpdate')).toEqual({ maxUnavailable: 0, maxSurge: 1 })
    expect(at(budget, 'spec.maxUnavailable')).toBeLessThan(Number(textAt(deployment, 'spec.replicas')))
  })

  it('limits memory to what it requests, and the heap to three quarters of that', () => {
    const limit = textAt(container, 'resources.limits.memory')
    expect(at(container, 'resources.requests.memory')).toBe(limit)
    expect(limit).toMatch(/^\d+Mi$/)
    const heap = Number.parseInt(limit, 10) * 0.75
    expect(at(container, 'env')).toEqual([{ name: 'NODE_OPTIONS', value: `--max-old-space-size=${heap}` }])
  })
})

describe('the network policies', () => {
  it('deny by default, in and out', () => {
    const [deny] = readYaml('k8s/network-policy-default-deny.yaml')
    expect(at(deny, 'spec')).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
  })

  it('let out name look-ups and Postgres alone, and never to the metadata address of a cloud', () => {
    const [policy] = readYaml('k8s/network-policy.yaml')
    const egress = at(policy, 'spec.egress')
    const rules = Array.isArray(egress) ? egress : []
    const ports = rules.map((rule) => at(rule, 'ports.0.port'))
    expect(ports).toEqual([53, 5432])
    expect(JSON.stringify(rules)).not.toMatch(/0\.0\.0\.0\/0|169\.254/)
    for (const rule of rules) expect(at(rule, 'to.0')).toBeDefined()
  })

  it('let in the gateway to the tenant plane and Prometheus to the operator plane', () => {
    const [policy] = readYaml('k8s/network-policy.yaml')
    for (const [index, port] of [settings.port, settings.opsPort].entries()) {
      expect(portNamed(at(policy, `spec.ingress.${index}.ports.0.port`))).toBe(port)
      expect(at(policy, `spec.ingress.${index}.from.0.namespaceSelector`)).toBeDefined()
    }
  })
})

/** A node of the cluster as the clients reach it. */
export interface ClusterNode {
  host: string;
  /** Default 6379. */
  port?: number;
}

/** Redis Cluster: given instead of `url`, `host`, `port` and `sentinels`; a cluster has only database 0. */
export interface RedisClusterOptions {
  /** Some of its nodes, masters or replicas, as `{ host, port }` or 'host:port'; the others are learnt from them. */
  nodes: readonly (ClusterNode | string)[];
  /** Where nodes that announce `host:port` are reached from here, when that is elsewhere (NAT, port forwarding). */
  natMap?: Readonly<Record<string, ClusterNode>> | ((announced: string) => ClusterNode | undefined);
  /**
   * Streams that the invalidation log is spread over, 1 to 16, so that several masters share its load. The same on all
   * nodes of a prefix: a node with another number stays without the shared tier. Default 4.
   */
  logShards?: number;
}

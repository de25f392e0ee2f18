// biome-ignore lint/style/noRestrictedImports: types alone; the client itself is handed in by the composition
import type Dockerode from 'dockerode';

/** The client of one Docker engine. */
export type Docker = Dockerode;
/** What `docker inspect` says of a container. */
export type ContainerInfo = Dockerode.ContainerInspectInfo;

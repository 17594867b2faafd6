/** What the pages use of three.js, which .ci/setup puts beside this file: it has no types of its own. */

export class Vector3 {
  constructor(x?: number, y?: number, z?: number);
  x: number;
  y: number;
  z: number;
  set(x: number, y: number, z: number): this;
  copy(other: Vector3): this;
  add(other: Vector3): this;
  addScaledVector(other: Vector3, scale: number): this;
  sub(other: Vector3): this;
  applyMatrix4(matrix: Matrix4): this;
  applyQuaternion(turn: Quaternion): this;
  length(): number;
  multiplyScalar(scale: number): this;
}
export class Quaternion {
  x: number;
  y: number;
  z: number;
  w: number;
  set(x: number, y: number, z: number, w: number): this;
  copy(other: Quaternion): this;
  setFromRotationMatrix(matrix: Matrix4): this;
  setFromUnitVectors(from: Vector3, to: Vector3): this;
}
export class Matrix4 {
  elements: number[];
  copy(other: Matrix4): this;
  invert(): this;
  compose(place: Vector3, turn: Quaternion, scale: Vector3): this;
  decompose(place: Vector3, turn: Quaternion, scale: Vector3): this;
  multiply(other: Matrix4): this;
  lookAt(eye: Vector3, target: Vector3, up: Vector3): this;
  makePerspective(left: number, right: number, top: number, bottom: number, near: number, far: number): this;
}
export class Color {
  constructor(r: number, g: number, b: number);
  r: number;
  g: number;
  b: number;
  setRGB(r: number, g: number, b: number): this;
  multiplyScalar(scale: number): this;
}
export class Object3D {
  position: Vector3;
  quaternion: Quaternion;
  scale: Vector3;
  up: Vector3;
  matrixWorld: Matrix4;
  visible: boolean;
  children: Object3D[];
  castShadow: boolean;
  receiveShadow: boolean;
  renderOrder: number;
  add(...children: Object3D[]): this;
  remove(...children: Object3D[]): this;
  updateMatrixWorld(force?: boolean): void;
}
export class Group extends Object3D {}
export class Scene extends Object3D {
  background: Color | null;
}
export class BufferAttribute {
  constructor(array: ArrayBufferView, size: number, normalized?: boolean);
  count: number;
  needsUpdate: boolean;
  getX(index: number): number;
  getY(index: number): number;
  setXY(index: number, x: number, y: number): this;
}
export class BufferGeometry {
  attributes: Record<string, BufferAttribute>;
  setAttribute(name: string, attribute: BufferAttribute): this;
  setIndex(index: BufferAttribute): this;
  rotateX(angle: number): this;
  clone(): this;
  dispose(): void;
}
export class SphereGeometry extends BufferGeometry {
  constructor(radius: number, width: number, height: number);
}
export class BoxGeometry extends BufferGeometry {
  constructor(x: number, y: number, z: number);
}
export class PlaneGeometry extends BufferGeometry {
  constructor(x: number, y: number);
}
export class CylinderGeometry extends BufferGeometry {
  constructor(top: number, bottom: number, height: number, slices: number);
}
export class CapsuleGeometry extends BufferGeometry {
  constructor(radius: number, height: number, caps: number, slices: number);
}
export class RingGeometry extends BufferGeometry {
  constructor(inner: number, outer: number, slices: number);
}
export interface Shader {
  uniforms: Record<string, { value: unknown }>;
  vertexShader: string;
  fragmentShader: string;
}
export class Material {
  onBeforeCompile: (shader: Shader) => void;
  customProgramCacheKey: () => string;
  dispose(): void;
}
export class MeshLambertMaterial extends Material {
  constructor(options: Record<string, unknown>);
}
export class MeshBasicMaterial extends Material {
  constructor(options: Record<string, unknown>);
}
export class Mesh extends Object3D {
  constructor(geometry: BufferGeometry, material: Material);
  geometry: BufferGeometry;
  material: Material;
}
export class Texture {
  magFilter: number;
  minFilter: number;
  wrapS: number;
  wrapT: number;
  generateMipmaps: boolean;
  anisotropy: number;
  needsUpdate: boolean;
  dispose(): void;
}
export class DataTexture extends Texture {
  constructor(data: ArrayBufferView, width: number, height: number);
}
export class CubeTexture extends Texture {
  constructor(faces: DataTexture[]);
}
export class Light extends Object3D {}
export class AmbientLight extends Light {
  constructor(color: Color, intensity: number);
}
export class DirectionalLight extends Light {
  constructor(color: Color, intensity: number);
  target: Object3D;
  shadow: {
    camera: { left: number; right: number; top: number; bottom: number; near: number; far: number; updateProjectionMatrix(): void };
    mapSize: { set(x: number, y: number): void };
    bias: number;
    normalBias: number;
    radius: number;
    intensity: number;
  };
}
export class Camera extends Object3D {
  projectionMatrix: Matrix4;
  projectionMatrixInverse: Matrix4;
}
export class WebGLRenderer {
  constructor(options: { antialias?: boolean; powerPreference?: string; canvas?: HTMLCanvasElement });
  domElement: HTMLCanvasElement;
  outputColorSpace: string;
  shadowMap: { enabled: boolean; type: number; autoUpdate: boolean; needsUpdate: boolean };
  setSize(width: number, height: number, style: boolean): void;
  setViewport(x: number, y: number, width: number, height: number): void;
  setScissor(x: number, y: number, width: number, height: number): void;
  setScissorTest(on: boolean): void;
  render(scene: Scene, camera: Camera): void;
  getContext(): WebGL2RenderingContext;
  dispose(): void;
}
export const ColorManagement: { enabled: boolean };
export const LinearSRGBColorSpace: string;
export const PCFShadowMap: number;
export const PCFSoftShadowMap: number;
export const RepeatWrapping: number;
export const LinearFilter: number;
export const LinearMipmapLinearFilter: number;
export const DoubleSide: number;

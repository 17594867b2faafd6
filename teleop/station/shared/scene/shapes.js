// @ts-check
/** The shapes of a described scene as meshes of three.js, in MuJoCo's conventions: z up, unit shapes scaled by their size. */

/** @typedef {typeof import("../three/three.module.js")} Three */
/** @typedef {import("../three/three.module.js").BufferGeometry} Geometry */
/** @typedef {{positions: [number, number], normals: [number, number], indices: [number, number], uv?: [number, number]}} MeshPlaces */
/** @typedef {{pixels: [number, number], width: number, height: number, cube: boolean, repeat: [number, number], uniform: boolean}} Texture */
/**
 * @typedef {object} Shape
 * @property {"plane" | "ellipsoid" | "capsule" | "cylinder" | "box" | "mesh"} kind
 * @property {number} mover what it moves with; -1: nothing
 * @property {[number, number, number]} pos in that, or in the world [m]
 * @property {[number, number, number, number]} quat w, x, y, z
 * @property {[number, number, number]} size half sizes [m]
 * @property {[number, number, number, number]} rgba
 * @property {number} emission
 * @property {MeshPlaces} [mesh]
 * @property {Texture} [texture]
 */

const SLICES = 32;
const ENDLESS = 30; // [m] half size of a plane without one

export class Shapes {
  /**
   * @param {Three} three
   * @param {ArrayBuffer} assets
   */
  constructor(three, assets) {
    this.three = three;
    this.assets = assets;
    /** @type {Map<string, Geometry>} */
    this.geometries = new Map();
    /** @type {Map<number, import("../three/three.module.js").Texture>} */
    this.textures = new Map();
  }

  /**
   * Return a shape as a mesh, placed in what it moves with.
   * @param {Shape} shape
   */
  mesh(shape) {
    const { three } = this;
    const mesh = new three.Mesh(this.geometry(shape), this.material(shape));
    const [w, x, y, z] = shape.quat;
    mesh.position.set(...shape.pos);
    mesh.quaternion.set(x, y, z, w);
    mesh.scale.set(...this.scale(shape));
    const solid = shape.rgba[3] > 0.99;
    mesh.castShadow = solid && shape.kind !== "plane";
    mesh.receiveShadow = true;
    if (!solid) mesh.renderOrder = 1;
    return mesh;
  }

  /** @param {Shape} shape @returns {[number, number, number]} */
  scale({ kind, size }) {
    if (kind === "mesh" || kind === "capsule") return [1, 1, 1];
    if (kind === "plane") return [size[0] || ENDLESS, size[1] || ENDLESS, 1];
    return size;
  }

  /** @param {Shape} shape @returns {Geometry} */
  geometry(shape) {
    const { kind, size, mesh, texture } = shape;
    const flat = texture && !texture.cube ? JSON.stringify([texture.repeat, texture.uniform && this.scale(shape)]) : "";
    const key = kind === "mesh" ? `mesh ${mesh?.positions[0]} ${flat}` : kind === "capsule" ? `capsule ${size} ${flat}` : `${kind} ${flat}`;
    let found = this.geometries.get(key);
    if (!found) {
      found = this.made(shape);
      if (texture && !texture.cube && !mesh?.uv) this.project(found, shape, texture);
      this.geometries.set(key, found);
    }
    return found;
  }

  /** @param {Shape} shape @returns {Geometry} */
  made({ kind, size, mesh }) {
    const { three } = this;
    if (kind === "plane") return new three.PlaneGeometry(2, 2);
    if (kind === "ellipsoid") return new three.SphereGeometry(1, SLICES, SLICES / 2).rotateX(Math.PI / 2);
    if (kind === "cylinder") return new three.CylinderGeometry(1, 1, 2, SLICES).rotateX(Math.PI / 2);
    if (kind === "capsule") return new three.CapsuleGeometry(size[0], 2 * size[2], SLICES / 4, SLICES).rotateX(Math.PI / 2);
    if (kind === "box" || !mesh) return new three.BoxGeometry(2, 2, 2);
    const geometry = new three.BufferGeometry();
    geometry.setAttribute("position", new three.BufferAttribute(new Float32Array(this.assets, ...mesh.positions), 3));
    geometry.setAttribute("normal", new three.BufferAttribute(this.normals(mesh.normals), 3, true));
    if (mesh.uv) geometry.setAttribute("uv", new three.BufferAttribute(new Float32Array(this.assets, ...mesh.uv), 2));
    return geometry.setIndex(new three.BufferAttribute(new Uint32Array(this.assets, ...mesh.indices), 1));
  }

  /** Normals come in fours, so that each begins at a multiple of four bytes. @param {[number, number]} place */
  normals(place) {
    const padded = new Int8Array(this.assets, ...place);
    const normals = new Int8Array((padded.length / 4) * 3);
    for (let from = 0, to = 0; from < padded.length; from += 4, to += 3) normals.set(padded.subarray(from, from + 3), to);
    return normals;
  }

  /**
   * Give a shape the texture coordinates that MuJoCo gives it: its texture is projected along z.
   * @param {Geometry} geometry
   * @param {Shape} shape
   * @param {Texture} texture
   */
  project(geometry, shape, { repeat, uniform }) {
    const { position } = geometry.attributes;
    const uv = new this.three.BufferAttribute(new Float32Array(2 * position.count), 2);
    const size = this.scale(shape);
    const [across, along] = uniform ? [repeat[0] * size[0], repeat[1] * size[1]] : repeat;
    for (let i = 0; i < position.count; i++) {
      uv.setXY(i, 0.5 * across * position.getX(i) - 0.5, -0.5 * along * position.getY(i) - 0.5);
    }
    geometry.setAttribute("uv", uv);
  }

  /** @param {Shape} shape */
  material({ kind, rgba, emission, texture }) {
    const { three } = this;
    const [r, g, b, a] = rgba;
    const solid = a > 0.99;
    const color = new three.Color(r, g, b);
    const emissive = new three.Color(r, g, b).multiplyScalar(emission);
    const options = { color, emissive, transparent: !solid, opacity: a, depthWrite: solid };
    const both = kind === "plane" ? { side: three.DoubleSide } : {};
    const map = texture && !texture.cube ? { map: this.texture(texture) } : {};
    const material = new three.MeshLambertMaterial({ ...options, ...both, ...map });
    if (texture?.cube) this.wrap(material, texture);
    return material;
  }

  /** @param {Texture} place */
  texture({ pixels, width, height }) {
    let found = this.textures.get(pixels[0]);
    if (!found) {
      const { three } = this;
      found = new three.DataTexture(new Uint8Array(this.assets, ...pixels), width, height);
      found.wrapS = found.wrapT = three.RepeatWrapping;
      this.smooth(found);
      this.textures.set(pixels[0], found);
    }
    return found;
  }

  /** @param {import("../three/three.module.js").Texture} texture */
  smooth(texture) {
    texture.magFilter = this.three.LinearFilter;
    texture.minFilter = this.three.LinearMipmapLinearFilter;
    texture.generateMipmaps = true;
    texture.anisotropy = 8;
    texture.needsUpdate = true;
  }

  /**
   * Wrap the six faces of a cube around a shape: what is seen in a direction from its middle is what the cube has there.
   * @param {import("../three/three.module.js").Material} material
   * @param {Texture} place
   */
  wrap(material, { pixels, width, height }) {
    const { three, assets } = this;
    let cube = this.textures.get(pixels[0]);
    if (!cube) {
      const side = 4 * width * width;
      const count = Math.min(6, Math.round(height / width));
      const face = (/** @type {number} */ i) => new three.DataTexture(new Uint8Array(assets, pixels[0] + side * Math.min(i, count - 1), side), width, width);
      cube = new three.CubeTexture([0, 1, 2, 3, 4, 5].map(face));
      this.smooth(cube);
      this.textures.set(pixels[0], cube);
    }
    material.customProgramCacheKey = () => "cube";
    material.onBeforeCompile = (shader) => {
      shader.uniforms.around = { value: cube };
      shader.vertexShader = `varying vec3 outward;\n${shader.vertexShader.replace("#include <begin_vertex>", "#include <begin_vertex>\noutward = position;")}`;
      shader.fragmentShader = `varying vec3 outward;\nuniform samplerCube around;\n${shader.fragmentShader.replace("#include <map_fragment>", "diffuseColor.rgb *= texture(around, outward).rgb;")}`;
    };
  }
}

# Two stages: the compiler and the dev dependencies stay in the first.
FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No dependency's install script runs: none is needed to compile or to serve.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-slim
# In a container the outside is the container's network; what is published is decided there.
ENV NODE_ENV=production \
    TENANTRY_HOST=0.0.0.0 \
    TENANTRY_OPS_HOST=0.0.0.0
WORKDIR /app
# Owned by root and never written to: the root file system may be read-only.
COPY --from=build /app/package.json ./package.json
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY registry ./registry
# A number, so that `runAsNonRoot` can be checked without a user database.
USER 10001:10001
EXPOSE 3000 3001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.TENANTRY_OPS_PORT || 3001}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Exec form: node is process 1 and gets SIGTERM itself.
ENTRYPOINT ["node", "dist/cli.js"]
CMD ["serve"]

# An encoder that no image holds, and the command that brings it into a shared folder; built from the exported folder:
#   docker build -f deploy/docker/encoder.Dockerfile --build-arg ENCODER=clip-vit-b-32 \
#     -t lodestone/encoder-clip-vit-b-32:0.1.0 data/artifacts/encoders/clip-vit-b-32
FROM lodestone/embedder:0.1.0
ARG ENCODER
LABEL org.opencontainers.image.title="Lodestone encoder ${ENCODER}" \
      org.opencontainers.image.description="Brings an encoder into a folder that embedders share."
COPY . /app/encoders/${ENCODER}/
ENV LODESTONE_EMBEDDER_ENCODER=${ENCODER}
ENTRYPOINT ["python", "-m", "services.embedder.bring"]

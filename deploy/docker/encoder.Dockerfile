# An encoder that no image holds, and the command that brings it into a shared folder; built from the exported folder:
#   make images TARGETS="embedder encoder-clip-vit-b-32"
FROM lodestone/embedder:0.1.0
ARG ENCODER
LABEL org.opencontainers.image.title="Lodestone encoder ${ENCODER}" \
      org.opencontainers.image.description="Brings an encoder into a folder that embedders share."
COPY . /app/encoders/${ENCODER}/
ENV LODESTONE_EMBEDDER_ENCODER=${ENCODER}
ENTRYPOINT ["python", "-m", "services.embedder.bring"]
